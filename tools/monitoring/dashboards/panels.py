"""Panel types of the dashboards. Each panel describes the expected values and what to do otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import FieldColor, ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    DynamicConfigValue,
    FieldColorModeId,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode, HeatmapColorScale
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tools.monitoring.alerts import ALERTS
from tools.monitoring.fleet_alerts import FLEET_ALERTS

PROMETHEUS = DataSourceRef("prometheus", "${datasource}")
GOOD, WORSE, BAD, QUIET = "green", "orange", "red", "text"
HEIGHT = 8

AnyPanel = stat.Panel | timeseries.Panel | heatmap.Panel | statetimeline.Panel | table.Panel
_Panel = TypeVar("_Panel", stat.Panel, timeseries.Panel, heatmap.Panel, statetimeline.Panel, table.Panel)


class Query(NamedTuple):
    """A PromQL expression and the legend of its series, which may contain labels such as `{{camera}}`."""

    expression: str
    legend: str = ""


class Advice(NamedTuple):
    """Expected values of a panel, what to do otherwise, and the alert on it, if any."""

    expected: str
    otherwise: str
    alert: str | None = None

    @property
    def text(self) -> str:
        """Panel description in Markdown. Raises KeyError if the alert does not exist."""
        alert = ""
        if self.alert is not None:
            if self.alert not in {alert.name for alert in (*ALERTS, *FLEET_ALERTS)}:
                raise KeyError(f"no alert {self.alert}")
            alert = f"\n\n**Alert:** {self.alert}. See its section in the runbook."
        return f"**Expected:** {self.expected}\n\n**Otherwise:** {self.otherwise}{alert}"


def _begin(panel: _Panel, title: str, advice: Advice, queries: Sequence[Query], width: int, height: int) -> _Panel:
    panel.title(title).description(advice.text).datasource(PROMETHEUS).span(width).height(height)
    for position, query in enumerate(queries):
        target = prometheus.Dataquery().expr(query.expression).ref_id(chr(ord("A") + position)).datasource(PROMETHEUS)
        panel.with_target(target.range().legend_format(query.legend or "__auto"))
    return panel


def _steps(*steps: tuple[float | None, str]) -> ThresholdsConfig:
    return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps([Threshold(value, color) for value, color in steps])


def number(
    title: str,
    advice: Advice,
    query: Query,
    *,
    unit: str = "short",
    steps: Sequence[tuple[float | None, str]] = ((None, QUIET),),
    width: int = 4,
) -> stat.Panel:
    """Return a panel with the current value and a background graph. `steps`: lower bounds and their colours."""
    panel = _begin(stat.Panel(), title, advice, [query], width, 4)
    panel.unit(unit).decimals(0 if unit == "short" else 1).thresholds(_steps(*steps)).no_value("–")
    panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA)


def lines(
    title: str,
    advice: Advice,
    *queries: Query,
    unit: str = "short",
    stacked: bool = False,
    limit: float | None = None,
    colours: dict[str, str] | None = None,
    width: int = 8,
) -> timeseries.Panel:
    """Return a graph of series over time, optionally stacked.

    `limit` is drawn as a dashed line; values above it indicate a problem. `colours`: by legend.
    """
    panel = _begin(timeseries.Panel(), title, advice, queries, width, HEIGHT)
    panel.unit(unit).min(0).line_width(1).show_points(VisibilityMode.NEVER).draw_style(GraphDrawStyle.LINE)
    panel.fill_opacity(60 if stacked else 8)
    panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL if stacked else StackingMode.NONE))
    panel.tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING))
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
    panel.legend(legend.show_legend(True).calcs(["lastNotNull", "max"]))
    if limit is not None:
        panel.thresholds(_steps((None, "transparent"), (limit, BAD)))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    for name, colour in (colours or {}).items():
        fixed = DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
        panel.override_by_name(name, [fixed])
    return panel


def heat(title: str, advice: Advice, query: Query, *, unit: str = "s", width: int = 12) -> heatmap.Panel:
    """Return a heat map of a histogram over time. The query must return its buckets by `le`."""
    panel = _begin(heatmap.Panel(), title, advice, [], width, HEIGHT)
    target = prometheus.Dataquery().expr(query.expression).ref_id("A").datasource(PROMETHEUS).range()
    panel.with_target(target.format(PromQueryFormat.HEATMAP).legend_format("{{le}}")).calculate(False)
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Turbo").steps(64)
    panel.color(colours.scale(HeatmapColorScale.EXPONENTIAL).exponent(0.5).fill("dark-orange").reverse(False))
    panel.y_axis(heatmap.YAxisConfig().unit(unit).reverse(False))
    panel.filter_values(heatmap.FilterValueRange().le(1e-9)).cell_values(heatmap.CellValues().unit("short"))
    scale = common.ScaleDistributionConfig().type(ScaleDistribution.LINEAR)
    return panel.scale_distribution(scale).show_legend().mode(TooltipDisplayMode.SINGLE)


def states(
    title: str, advice: Advice, query: Query, colours: dict[str, str], *, width: int = 24, height: int = HEIGHT
) -> statetimeline.Panel:
    """Return a timeline that shows which of several 0/1 series is 1. `colours`: by legend."""
    panel = _begin(statetimeline.Panel(), title, advice, [query], width, height)
    panel.mappings([ValueMap({"0": ValueMappingResult(text=" ", color="transparent")})])
    panel.merge_values(True).show_value(VisibilityMode.NEVER).row_height(0.8).line_width(0).fill_opacity(80)
    panel.legend(common.VizLegendOptions().show_legend(False).display_mode(LegendDisplayMode.HIDDEN))
    panel.color_scheme(FieldColor().mode(FieldColorModeId.THRESHOLDS)).thresholds(_steps((None, QUIET)))
    for name, colour in colours.items():
        shown = {"1": {"text": name, "color": colour}, "0": {"text": " ", "color": "transparent"}}
        mapping = DynamicConfigValue("mappings", [{"type": "value", "options": shown}])
        panel.override_by_name(name, [mapping])
    return panel


def rows(title: str, advice: Advice, query: Query, columns: dict[str, str], *, width: int = 8) -> table.Panel:
    """Return a table of the current series. `columns`: headings by label; values are hidden."""
    panel = _begin(table.Panel(), title, advice, [], width, HEIGHT)
    target = prometheus.Dataquery().expr(query.expression).ref_id("A").datasource(PROMETHEUS).instant()
    panel.with_target(target.format(PromQueryFormat.TABLE)).no_value("none")
    order = {label: position for position, label in enumerate(columns)}
    hidden = {"Time": True, "Value": True}
    organised = {"excludeByName": hidden, "indexByName": order, "renameByName": columns}
    return panel.with_transformation(DataTransformerConfig(id_val="organize", options=organised))
