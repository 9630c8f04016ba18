"""Confusion matrices as PNG pictures on a white page: labelled actions by answers, in % of the label's frames."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

try:
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.patches import Rectangle
    from matplotlib.textpath import text_to_path
except ImportError:
    raise ImportError("pictures of confusion need matplotlib: pip install 'partstream[train]'") from None

from training.footage.judging import MISSED, UNANSWERED
from training.scoring.confusion_tables import ConfusionTable, SetConfusion, pooled

_DPI = 100
_WIDTH, _LEAST_WIDTH = 1000, 620
"""Pixels. A table of few answers is narrower, one of very many wider."""
_CELL, _LEAST_CELL, _ROW = 64, 25, 32
_LEAST_EDGE = 36
"""Width of a column of numbers at the right edge."""
_MARGIN, _GAP = 16, 8
_SLANT = 0.72
"""Height and width of a slanted heading, relative to its length."""
_TITLE, _TEXT, _SMALL = 19, 15, 13
"""Heights of letters in pixels."""
_CORRECT, _WRONG, _NOBODY = "#1c5f99", "#b5482a", "#5f6670"
_EMPTY, _INK, _FAINT, _PAPER = "#f3f4f6", "#1b1f24", "#6a727c", "#ffffff"
_TRACE = 0.005
"""A smaller share is shown as a dot."""
_DARK = 0.24
"""Relative luminance below which a cell's number is white."""


def save_confusion(folder: Path, one: SetConfusion, actions: Sequence[str], about: str = "") -> Path | None:
    """Draw `confusion-<set>.png` into an existing folder; return its path, None if nothing is labelled. Raises OSError.

    Names are in the order of `actions`. `about` names the checkpoint.
    """
    table = pooled([one], actions)
    if table is None:
        return None
    path = folder / f"confusion-{re.sub(r'[^A-Za-z0-9_.-]+', '-', one.name)}.png"
    path.write_bytes(confusion_png(table, about))
    return path


def confusion_png(table: ConfusionTable, about: str = "") -> bytes:
    """Return a PNG file of a table, about 1,000 pixels wide.

    Rows are labels, with their frames and people at the right edge. Numbers are % of the row; correct answers are blue,
    wrong ones red, and frames without a person or answer grey. `about` names the checkpoint.
    """
    return _Drawing(table, about).png()


class _Drawing:
    """One picture. All coordinates are pixels from the upper left corner."""

    def __init__(self, table: ConfusionTable, about: str) -> None:
        self.table = table
        self.heads = [_shown(name) for name in table.answers]
        self.edges = [table.counted, "people, clips"]
        widest = max(_width(text, _TEXT) for text in (*table.labels, "labelled action"))
        self.left = _MARGIN + widest + _GAP
        self.slanted = max(_width(text, _TEXT) for text in (*self.heads, *self.edges)) * _SLANT + _GAP
        self.numbers = table.counts.sum(1), table.units
        self.edge_widths = [
            max(*(_width(f"{number:,}", _TEXT) + 14 for number in numbers), _LEAST_EDGE) for numbers in self.numbers
        ]
        beyond = _width(self.edges[-1], _SMALL) * _SLANT - self.edge_widths[-1] / 2
        right = 2 * _GAP + sum(self.edge_widths) + max(beyond + _GAP, _MARGIN)
        room = (_WIDTH - self.left - right) / len(self.heads)
        self.cell = min(max(room, _LEAST_CELL), _CELL)
        self.number = min(_TEXT, self.cell / 2.3)
        self.width = max(self.left + self.cell * len(self.heads) + right, _LEAST_WIDTH)
        self.title = _lines(", ".join(table.names), self.width - 2 * _MARGIN, _TITLE, "bold")
        self.about = _lines(f"{about}: {self._cells}" if about else self._cells, self.width - 2 * _MARGIN, _SMALL)
        self.top = _MARGIN + 24 * len(self.title) + 18 * len(self.about) + 32 + self.slanted
        self.bottom = self.top + _ROW * len(table.labels)
        self.height = self.bottom + 18 + 18 + _MARGIN

    @property
    def _cells(self) -> str:
        return f"% of the {self.table.counted} of each labelled action"

    def png(self) -> bytes:
        size = round(self.width), round(self.height)
        figure = Figure(figsize=(size[0] / _DPI, size[1] / _DPI), dpi=_DPI, facecolor=_PAPER)
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, size[0])
        axes.set_ylim(size[1], 0)
        axes.set_axis_off()
        self._head(axes)
        for row, label in enumerate(self.table.labels):
            self._row(axes, row, label)
        self._foot(axes)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=_DPI)
        return content.getvalue()

    def _column(self, at: int) -> float:
        """Return the left end of a column; those of no answer stand a little apart."""
        return self.left + self.cell * at + (_GAP if self.table.answers[at] in (MISSED, UNANSWERED) else 0)

    def _head(self, axes: Axes) -> None:
        y = _MARGIN + _TITLE / 2
        for line in self.title:
            _text(axes, _MARGIN, y, line, _TITLE, weight="bold")
            y += 24
        for line in self.about:
            _text(axes, _MARGIN, y, line, _SMALL, colour=_FAINT)
            y += 18
        _text(axes, self.left, self.top - self.slanted - 14, "predicted action", _SMALL, colour=_FAINT)
        _text(axes, self.left - _GAP, self.top - 10, "labelled action", _SMALL, colour=_FAINT, ha="right")
        y = self.top - 6
        for at, head in enumerate(self.heads):
            _text(axes, self._column(at) + self.cell / 2, y, head, _TEXT, rotation=45, va="baseline")
        for at, head in enumerate(self.edges):
            x = self._edge(at) - self.edge_widths[at] / 2
            _text(axes, x, y, head, _SMALL, colour=_FAINT, rotation=45, va="baseline")

    def _edge(self, at: int) -> float:
        """Return the right end of a column of numbers at the edge."""
        return self._column(len(self.heads) - 1) + self.cell + _GAP + sum(self.edge_widths[: at + 1])

    def _row(self, axes: Axes, row: int, label: str) -> None:
        table, y = self.table, self.top + _ROW * row
        counts = table.counts[row]
        _text(axes, self.left - _GAP, y + _ROW / 2, label, _TEXT, ha="right")
        for at, answer in enumerate(table.answers):
            share = float(counts[at] / counts.sum())
            colour = _CORRECT if answer == label else _NOBODY if answer in (MISSED, UNANSWERED) else _WRONG
            place = (self._column(at) + 1, y + 1)
            edge = _CORRECT if answer == label else "none"
            shade, width = _shade(colour, share), self.cell - 2
            axes.add_patch(Rectangle(place, width, _ROW - 2, facecolor=shade, edgecolor=edge, linewidth=1))
            if counts[at]:
                number = f"{max(round(100 * share), 1)}" if share >= _TRACE else "·"
            else:
                number = "0" if answer == label else ""
            faint = share < _TRACE and answer != label
            ink = _PAPER if _luminance(shade) < _DARK else _FAINT if faint else _INK
            _text(axes, place[0] + width / 2, y + _ROW / 2, number, self.number, colour=ink, ha="center")
        for at, numbers in enumerate(self.numbers):
            _text(axes, self._edge(at), y + _ROW / 2, f"{numbers[row]:,}", _TEXT, colour=_FAINT, ha="right")

    def _foot(self, axes: Axes) -> None:
        keys = [(_CORRECT, "correct"), (_WRONG, "wrong")]
        if UNANSWERED in self.table.answers:
            keys.append((_NOBODY, "no person or answer"))
        elif MISSED in self.table.answers:
            keys.append((_NOBODY, "no person found"))
        shares = self.table.counts / self.table.counts.sum(1, keepdims=True)
        traces = [f"·  less than {100 * _TRACE:g} %"] if ((shares > 0) & (shares < _TRACE)).any() else []
        widths = [18 + _width(words, _SMALL) + 20 for _, words in keys]
        needed = sum(widths) + sum(_width(words, _SMALL) for words in traces) + _MARGIN
        x, y = max(min(self.left, self.width - needed), _MARGIN), self.bottom + 22
        for (colour, words), width in zip(keys, widths, strict=True):
            axes.add_patch(Rectangle((x, y - 6), 12, 12, facecolor=_shade(colour, 0.75), linewidth=0))
            _text(axes, x + 18, y, words, _SMALL, colour=_FAINT)
            x += width
        for words in traces:
            _text(axes, x, y, words, _SMALL, colour=_FAINT)


def _shown(answer: str) -> str:
    return {MISSED: "missed", UNANSWERED: "no answer"}.get(answer, answer)


def _shade(colour: str, share: float) -> tuple[float, float, float]:
    """Return a colour between that of an empty cell and the full one. Small shares are visible."""
    amount = share if share < _TRACE else 0.1 + 0.9 * share
    empty, full = np.array(to_rgb(_EMPTY)), np.array(to_rgb(colour))
    red, green, blue = (empty + (full - empty) * amount).tolist()
    return red, green, blue


def _luminance(colour: tuple[float, float, float]) -> float:
    """Return the relative luminance of WCAG, 0 to 1."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _text(
    axes: Axes,
    x: float,
    y: float,
    text: str,
    size: float,
    *,
    colour: str = _INK,
    ha: str = "left",
    va: str = "center_baseline",
    rotation: float = 0,
    weight: str = "normal",
) -> None:
    """Write plain text: `$` has no meaning in names of actions."""
    axes.text(
        x,
        y,
        text,
        color=colour,
        fontsize=size * 72 / _DPI,
        ha=ha,
        va=va,
        rotation=rotation,
        rotation_mode="anchor",
        fontweight=weight,
        parse_math=False,
    )


def _width(text: str, size: float, weight: str = "normal") -> float:
    """Return a text's width in pixels, for letters of `size` pixels."""
    font = FontProperties(size=size, weight=weight)
    width, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
    return float(width)


def _lines(text: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """Return a text in lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and _width(f"{lines[-1]} {word}", size, weight) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
