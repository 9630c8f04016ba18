"""Tables, of which those of scores fit terminals of 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from commands.ending import printable

if TYPE_CHECKING:
    from rich.console import Console

_NARROW = 100
"""A terminal with fewer columns shows fewer columns and answers."""
_ANSWERS, _ANSWERS_NARROW = 3, 2
_EDGES = 3
"""Width that a column adds to its content."""


class Row(NamedTuple):
    """The cells of a row as markup, and its most frequent answers as plain text."""

    cells: Sequence[str]
    answers: Sequence[str]


def is_narrow(console: Console) -> bool:
    """Return whether tables should leave out what can be left out."""
    return console.width < _NARROW


def text(value: str) -> str:
    """Return text of a data folder or checkpoint for a cell: without markup, control characters escaped."""
    return escape(printable(value))


def show_title(console: Console, title: str) -> None:
    """Print the title of a table after a blank line. `Table` would wrap it to the table's width."""
    console.print()
    console.print(printable(title), style="italic", markup=False)


def table(*columns: str, words: int = 1, title: str | None = None) -> Table:
    """Return a table whose first columns, `words`, are aligned left, and the others, of numbers, right.

    Numbers are never wrapped. Line breaks in headings keep columns of numbers narrow.
    """
    made = Table(title=title, title_justify="left", caption_justify="left")
    for at, column in enumerate(columns):
        made.add_column(column, justify="left" if at < words else "right", no_wrap=at >= words, overflow="fold")
    return made


def show_answers(console: Console, columns: Sequence[str], rows: Sequence[Row], heading: str = "answers") -> None:
    """Print a table of numbers with a last column of the most frequent answers, three or, if narrow, two.

    An answer is never divided between lines unless the console is too narrow for it.
    """
    most = _ANSWERS_NARROW if is_narrow(console) else _ANSWERS
    numbers, whole = table(*columns), table(*columns)
    for row in rows:
        numbers.add_row(*row.cells)
    room = console.width - console.measure(numbers).maximum - _EDGES
    whole.add_column(heading, overflow="fold")
    for row in rows:
        whole.add_row(*row.cells, Text(_in_lines(row.answers[:most], room)))
    console.print(whole)


def _in_lines(answers: Sequence[str], room: int) -> str:
    """Return the answers with commas between them, and line breaks where a line would exceed `room` cells."""
    lines: list[str] = []
    for number, answer in enumerate(answers):
        ended = printable(answer) + ("," if number < len(answers) - 1 else "")
        if lines and cell_len(lines[-1]) + 1 + cell_len(ended) <= room:
            lines[-1] += f" {ended}"
        else:
            lines.append(ended)
    return "\n".join(lines)
