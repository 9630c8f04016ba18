"""Drawings of the committed dashboards with matplotlib, from the answers of a Prometheus server, without Grafana.

It reads type, place, unit, thresholds, colours and stacking from the panels' JSON. The drawings show whether queries,
legends and units fit together, but not how Grafana draws them.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from support.monitoring.dashboard_queries import filled
from support.monitoring.prometheus import PrometheusServer

COLUMN_INCHES, ROW_INCHES = 0.85, 0.36
HEAD, FOOT = 1.4, 0.6
"""Above and below the panels, in rows."""
COLOURS = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "yellow": "#fade2a"} | {
    "purple": "#b877d9",
    "text": "#ccccdc",
    "transparent": "none",
}
CYCLE = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff9830", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fa6400"]
DARK: dict[Any, Any] = {
    "figure.facecolor": "#111217",
    "axes.facecolor": "#181b1f",
    "text.color": "#ccccdc",
    "axes.labelcolor": "#ccccdc",
    "xtick.color": "#9a9aa8",
    "ytick.color": "#9a9aa8",
    "axes.edgecolor": "#2c3037",
    "grid.color": "#2c3037",
    "font.size": 7,
}


class Drawer:
    """Draws dashboards over the time from `begin` to `end` (s since 1970)."""

    def __init__(self, server: PrometheusServer, begin: float, end: float, camera: str, rate_interval: str) -> None:
        self._server, self._begin, self._end = server, begin, end
        self._camera, self._rate_interval = camera, rate_interval
        self._step_s = max(1.0, (end - begin) / 200)

    def draw(self, dashboard: dict[str, Any], to: Path) -> None:
        """Write the dashboard as a PNG."""
        height = max(panel["gridPos"]["y"] + (panel["gridPos"]["h"] or 1) for panel in dashboard["panels"])
        with mpl.rc_context(DARK):
            figure = plt.figure(figsize=(24 * COLUMN_INCHES, (height + HEAD + FOOT) * ROW_INCHES))
            figure.text(0.008, 1 - 0.12 / figure.get_figheight(), dashboard["title"], size=12, va="top")
            scale = height + HEAD + FOOT
            for panel in dashboard["panels"]:
                at = panel["gridPos"]
                if panel["type"] == "row":
                    figure.text(0.008, 1 - (at["y"] + HEAD + 0.9) / scale, f"▾ {panel['title']}", size=9)
                    continue
                left, bottom = at["x"] / 24, 1 - (at["y"] + at["h"] + HEAD) / scale
                below, beside = (0.3, 0.01) if panel["type"] == "stat" else (2.0, 0.03)
                beside += 0.02 if panel["type"] == "state-timeline" else 0
                width, tall = at["w"] / 24 - beside - 0.01, at["h"] - below - 1.0
                box = (left + beside, bottom + below / scale, width, tall / scale)
                axes = figure.add_axes(box)
                axes.set_title(panel["title"], loc="left", size=8, pad=4)
                getattr(self, "_" + panel["type"].replace("-", "_"))(axes, panel)
            figure.savefig(to, dpi=70)
            plt.close(figure)

    # -- kinds of panel ---------------------------------------------------------------------------------------------
    def _timeseries(self, axes: Axes, panel: dict[str, Any]) -> None:
        drawn, custom = self._series(panel), panel["fieldConfig"]["defaults"]["custom"]
        stacked = custom.get("stacking", {}).get("mode") == "normal"
        times = np.arange(self._begin, self._end, self._step_s)
        below = np.zeros(len(times))
        colours = _overrides(panel, "color")
        for position, (name, at, values) in enumerate(drawn):
            colour = colours.get(name, {}).get("fixedColor")
            shown = COLOURS.get(colour, colour) or CYCLE[position % len(CYCLE)]
            label = f"{name}  {_unit(values[-1], panel)}"
            if stacked:
                upper = below + np.interp(times, at, np.nan_to_num(values), left=0, right=0)
                axes.fill_between(times, below, upper, color=shown, alpha=0.7, label=label, linewidth=0)
                below = upper
            else:
                axes.plot(at, values, color=shown, label=label, linewidth=1)
        for step in panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []):
            if step["value"] is not None:
                axes.axhline(step["value"], color=COLOURS.get(step["color"]), linestyle="--", linewidth=0.8)
        top = max([axes.get_ylim()[1], *(values.max() * 1.1 for _, _, values in drawn if not stacked)])
        axes.set_ylim(0, top if top > 0.06 else 1)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _unit(value, panel)))
        axes.grid(True, linewidth=0.5)
        self._time_axis(axes)
        if drawn:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=3, frameon=False, fontsize=6.5)

    def _stat(self, axes: Axes, panel: dict[str, Any]) -> None:
        drawn = self._series(panel)
        axes.axis("off")
        value = drawn[0][2][-1] if drawn else math.nan
        steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
        reached = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
        colour = COLOURS.get(reached[-1] if reached else "text", "white")
        if drawn:
            axes.fill_between(drawn[0][1], drawn[0][2], color=colour, alpha=0.15)
        text = _unit(value, panel) if drawn else "–"
        axes.text(0.5, 0.5, text, size=20, ha="center", va="center", color=colour, transform=axes.transAxes)

    def _heatmap(self, axes: Axes, panel: dict[str, Any]) -> None:
        found = sorted(
            self._server.query_range(self._filled(panel["targets"][0]), self._begin, self._end, self._step_s),
            key=lambda series: float(series["metric"]["le"]),
        )
        times = np.arange(self._begin, self._end + self._step_s / 2, self._step_s)
        cumulative = np.array([_on(times, series["values"]) for series in found])
        counts = np.diff(cumulative, axis=0, prepend=0)
        counts[counts <= 1e-9] = np.nan
        axes.pcolormesh(times, np.arange(len(found) + 1), counts[:, :-1], cmap="turbo")
        labels = [_unit(float(series["metric"]["le"]), panel) for series in found]
        axes.set_yticks(np.arange(len(found)) + 0.5, labels, size=5)
        self._time_axis(axes)

    def _state_timeline(self, axes: Axes, panel: dict[str, Any]) -> None:
        drawn, mappings = self._series(panel), _overrides(panel, "mappings")
        for row, (name, at, values) in enumerate(drawn):
            colour = mappings[name][0]["options"]["1"]["color"] if name in mappings else "text"
            for time, value in zip(at, values, strict=True):
                if value == 1:
                    axes.barh(row, self._step_s * 1.05, left=time, color=COLOURS.get(colour, colour), height=0.8)
        axes.set_yticks(range(len(drawn)), [name for name, _, _ in drawn])
        self._time_axis(axes)

    def _table(self, axes: Axes, panel: dict[str, Any]) -> None:
        axes.axis("off")
        organised = panel["transformations"][0]["options"]
        order: dict[str, int] = organised["indexByName"]
        columns = {label: organised["renameByName"][label] for label in sorted(order, key=order.__getitem__)}
        found = self._server.query(self._filled(panel["targets"][0]))
        cells = [[series["metric"].get(label, "") for label in columns] for series in found] or [["none", "", ""]]
        made = axes.table(cells, colLabels=list(columns.values()), loc="upper left", cellLoc="left", edges="horizontal")
        for cell in made.get_celld().values():
            cell.set_edgecolor("#2c3037")

    # -- what they need ---------------------------------------------------------------------------------------------
    def _filled(self, target: dict[str, Any]) -> str:
        return filled(target["expr"], self._camera, self._rate_interval)

    def _series(self, panel: dict[str, Any]) -> list[tuple[str, np.ndarray, np.ndarray]]:
        found = []
        for target in panel["targets"]:
            for series in self._server.query_range(self._filled(target), self._begin, self._end, self._step_s):
                labels, legend = series["metric"], target["legendFormat"]
                name = re.sub(r"\{\{(\w+)\}\}", lambda label, labels=labels: labels.get(label[1], ""), legend)
                values = np.array(series["values"], dtype=float)
                found.append((name, values[:, 0], values[:, 1]))
        return found

    def _time_axis(self, axes: Axes) -> None:
        axes.set_xlim(self._begin, self._end)
        ticks = np.linspace(self._begin, self._end, 5)[1:-1]
        axes.set_xticks(ticks, [datetime.fromtimestamp(tick, UTC).strftime("%H:%M:%S") for tick in ticks])


def _on(times: np.ndarray, values: list[list[Any]]) -> np.ndarray:
    pairs = np.array(values, dtype=float)
    return np.interp(times, pairs[:, 0], pairs[:, 1], left=0, right=0)


def _overrides(panel: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        override["matcher"]["options"]: entry["value"]
        for override in panel["fieldConfig"].get("overrides", [])
        for entry in override["properties"]
        if entry["id"] == kind
    }


def _unit(value: float, panel: dict[str, Any]) -> str:
    unit = panel["fieldConfig"]["defaults"].get("unit") or panel.get("options", {}).get("yAxis", {}).get("unit", "")
    if math.isinf(value) or math.isnan(value):
        return "+Inf" if value > 0 else "–"
    match unit:
        case "s" if value < 1:
            return f"{value * 1000:.3g} ms"
        case "s":
            return f"{value:.3g} s"
        case "percentunit":
            return f"{value:.1%}"
        case "cps":
            return f"{value:.3g}/s"
        case "bytes":
            return f"{value / 2**20:.0f} MiB"
        case _:
            return f"{value:.4g}"
