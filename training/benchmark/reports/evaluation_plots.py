"""Plots of an evaluation as SVG within a page, with the page's fonts and its light or dark colours.

matplotlib draws with placeholder colours, which are then replaced by CSS variables of the page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
except ImportError:
    raise ImportError("the report's plots need matplotlib: pip install 'partstream[train]'") from None

from training.benchmark.observed_answers import SHARES, Recognition
from training.benchmark.reports.evaluation_summary import Summary

OTHER = "(not in the ground truth)"
"""The confusion matrix's column for predicted classes that the ground truth does not have."""

_LABEL_LETTERS = 26

_INK, _FAINT, _FULL, _MIDDLE, _LIGHT, _WRONG = (f"#01020{digit}" for digit in range(6))
_VARIABLES = {
    _INK: "--ink",
    _FAINT: "--faint",
    _FULL: "--full",
    _MIDDLE: "--middle",
    _LIGHT: "--light",
    _WRONG: "--wrong",
}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "partstream",
    "text.parse_math": False,
    "axes.unicode_minus": False,
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "patch.linewidth": 0,
}


def accuracy_curve(summary: Summary) -> str:
    """Plot accuracy against the PSC threshold; the area under the curve is the score."""
    reached = np.sort([video.psc for video in summary.videos if video.right])
    steps = np.concatenate([[0.0], reached, [1.0]])
    left = np.concatenate([np.arange(len(reached), -1, -1), [0]]) / len(summary.videos)

    def draw(axes: Axes) -> None:
        axes.fill_between(steps, left, step="post", color=_FULL, alpha=0.18)
        axes.step(steps, left, where="post", color=_FULL, linewidth=1.8)
        axes.set_xlabel("PSC threshold")
        axes.set_ylabel("correct class and PSC at least that")
        axes.set_xlim(0, 1.02)
        axes.set_xticks(np.arange(11) / 10)
        axes.grid(axis="x")
        _shares(axes, "y")

    return _svg((5.2, 3.2), draw, "Accuracy against the PSC threshold")


def part_bars(summary: Summary) -> str:
    """Plot for each part the shares whose person was found, whose box is correct, and whose state is correct too."""
    names = list(summary.parts)
    tallies = [summary.parts[name] for name in names]
    rows = np.arange(len(names))

    def draw(axes: Axes) -> None:
        for key, colour, label in (
            ("person_matched", _LIGHT, "person found"),
            ("located", _MIDDLE, "and box correct"),
            ("right", _FULL, "and state correct"),
        ):
            axes.barh(rows, [getattr(t, key) / t.count for t in tallies], 0.7, color=colour, label=label)
        axes.set_yticks(rows, _short(names))
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.set_xlabel("share of the true parts")
        _shares(axes, "x")
        axes.figure.legend(frameon=False, ncols=3, loc="outside upper center")

    return _svg((5.2, 1.1 + 0.28 * len(names)), draw, "Correctness by part")


def confusion_matrix(summary: Summary) -> str:
    """Plot true classes (rows) by predicted classes (columns): shade, share of the row; number, videos."""
    confusion = summary.confusion()
    actions = list(confusion)
    rest = any(answer not in confusion for row in confusion.values() for answer in row)
    columns = [*actions, OTHER] if rest else actions
    counts = np.zeros((len(actions), len(columns)), dtype=int)
    for row, answers in enumerate(confusion.values()):
        for answer, videos in answers.items():
            counts[row, actions.index(answer) if answer in confusion else -1] += videos
    shares = counts / counts.sum(axis=1, keepdims=True)

    def draw(axes: Axes) -> None:
        for row, column in np.argwhere(counts):
            colour = _FULL if row == column else _WRONG
            place = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(place, 1, 1, facecolor=colour, alpha=0.12 + 0.6 * shares[row, column]))
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8)
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(actions) - 0.5, -0.5)
        axes.set_aspect("equal")
        axes.set_xticks(range(len(columns)), _short(columns), rotation=55, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(actions)), _short(actions))
        axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
        axes.set_yticks(np.arange(len(actions) + 1) - 0.5, minor=True)
        axes.grid(which="minor", alpha=0.5)
        axes.tick_params(which="both", length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("true class")

    side = 0.32 * len(columns)
    return _svg((2.6 + side, 2.2 + 0.32 * len(actions)), draw, "Confusion of classes")


def accuracy_by_share(recognition: Recognition) -> str:
    """Plot the accuracy of the current answer against the share of the video observed."""

    def draw(axes: Axes) -> None:
        axes.step(SHARES, recognition.accuracy, where="post", color=_FULL, linewidth=1.8)
        axes.set_xlabel("share of the video observed")
        axes.set_ylabel("accuracy at that point")
        _shares(axes, "xy")

    return _svg((5.2, 3.0), draw, "Accuracy against the share of the video observed")


def settling_curve(recognition: Recognition) -> str:
    """Plot the share of videos whose answer stays correct against the seconds since their beginning."""
    settled = np.sort(recognition.settled_s[np.isfinite(recognition.settled_s)])
    share = np.arange(1, len(settled) + 1) / len(recognition.settled_s)
    end = float(settled[-1]) if len(settled) and settled[-1] > 0 else 1.0
    median = recognition.settled_after(0.5)

    def draw(axes: Axes) -> None:
        seconds = np.concatenate([[0.0], settled, [end * 1.05]])
        axes.step(seconds, [0.0, *share, share[-1] if len(share) else 0.0], where="post", color=_FULL, linewidth=1.8)
        if median is not None:
            axes.plot([median, median, 0], [0, 0.5, 0.5], color=_INK, linewidth=1, linestyle=(0, (3, 3)))
            axes.annotate(f"median {median:.2f} s", (median, 0.5), (5, -10), textcoords="offset points")
        axes.set_xlim(0, end * 1.05)
        axes.set_xlabel("seconds since the video's beginning")
        axes.set_ylabel("correct from then on")
        _shares(axes, "y")
        axes.grid(axis="x")

    return _svg((5.2, 3.0), draw, "Time until the class stays correct")


def _short(names: Sequence[str]) -> list[str]:
    """Return names shortened to leave room for the plot; the table beside it has the full names."""
    return [name if len(name) <= _LABEL_LETTERS else f"{name[: _LABEL_LETTERS - 1]}…" for name in names]


def _shares(axes: Axes, which: str) -> None:
    for name in which:
        axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
        {"x": axes.set_xlim, "y": axes.set_ylim}[name](0, 1.02)
        axis.set_ticks(np.arange(6) / 5, [f"{tick} %" for tick in range(0, 101, 20)])
        axes.grid(axis="x" if name == "x" else "y")
    axes.set_axisbelow(True)


def _svg(inches: tuple[float, float], draw: Callable[[Axes], None], title: str) -> str:
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        figure = Figure(figsize=inches, layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        out = io.StringIO()
        none = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=none)
    return _for_page(out.getvalue(), title)


def _for_page(svg: str, title: str) -> str:
    svg = svg[svg.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(f": {colour}", f": var({variable})")
    # Ids are unique within a figure only.
    prefix = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{prefix}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)
