"""Confusion matrices as PNG pictures: labelled actions by answers, with the share of each row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

try:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle
except ImportError:
    raise ImportError("pictures of confusion need matplotlib: pip install 'partstream[train]'") from None

from training.footage.segments.accuracy import confusion
from training.footage.summary import MISSED, UNANSWERED
from training.scoring.film_figures import FrameFigures

_RIGHT, _WRONG, _INK, _FAINT = "#2f6f9f", "#c05030", "#202020", "#c8c8c8"
_DPI = 110


def save_confusion(folder: Path, figures: FrameFigures, actions: Sequence[str]) -> Path | None:
    """Draw `confusion-<set>.png` into an existing folder; return its path, None if nothing is labelled. Raises OSError.

    Rows are the labelled actions, columns the answers that occur, in the order of `actions`; then other names, missed
    people, and people without an answer yet.
    """
    table = confusion(figures.judged)
    if not table:
        return None
    rows = _ordered(table, actions)
    columns = _ordered({*table, *(answer for answers in table.values() for answer in answers)}, actions)
    counts = np.array([[table[row].get(column, 0) for column in columns] for row in rows], np.float64)
    totals = counts.sum(1)
    figure = Figure(figsize=(2.8 + 0.42 * len(columns), 2.2 + 0.36 * len(rows)), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for at, column in np.argwhere(counts):
        share = counts[at, column] / totals[at]
        colour = _RIGHT if rows[at] == columns[column] else _WRONG
        axes.add_patch(Rectangle((column - 0.5, at - 0.5), 1, 1, facecolor=colour, alpha=0.08 + 0.72 * share))
        axes.text(column, at, f"{share:.0%}".rstrip("%"), ha="center", va="center", fontsize=7, color=_INK)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns, rotation=55, ha="right", rotation_mode="anchor", fontsize=8)
    axes.set_yticks(range(len(rows)), [f"{row} ({total:.0f})" for row, total in zip(rows, totals)], fontsize=8)
    axes.set_xticks(np.arange(len(columns) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(rows) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=_FAINT, linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_axisbelow(True)
    axes.set_xlabel("answer")
    axes.set_ylabel("label (frames)")
    axes.set_title(f"{figures.name}: % of each label's frames", fontsize=9, loc="left")
    path = folder / f"confusion-{re.sub(r'[^A-Za-z0-9_.-]+', '-', figures.name)}.png"
    figure.savefig(path)
    return path


def _ordered(names: Sequence[str] | set[str] | dict[str, dict[str, int]], actions: Sequence[str]) -> list[str]:
    place = {name: at for at, name in enumerate(actions)} | {MISSED: len(actions) + 1, UNANSWERED: len(actions) + 2}
    return sorted(names, key=lambda name: (place.get(name, len(actions)), name))
