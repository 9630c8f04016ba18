"""Tables. Those of scores fit terminals of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from commands.ending import printable

if TYPE_CHECKING:
    from rich.console import Console


def table(*columns: str, words: int = 1, title: str | None = None) -> Table:
    """Return a table whose first columns, `words`, are aligned left, and the others, of numbers, right.

    Numbers are never wrapped. Line breaks in headings keep columns of numbers narrow.
    """
    made = Table(title=title, title_justify="left", caption_justify="left")
    for at, column in enumerate(columns):
        made.add_column(column, justify="left" if at < words else "right", no_wrap=at >= words, overflow="fold")
    return made


def text(value: str) -> str:
    """Return text of a data folder or checkpoint for a cell: without markup, control characters escaped."""
    return escape(printable(value))


def show_title(console: Console, title: str) -> None:
    """Print the title of a table after a blank line. `Table` would wrap it to the table's width."""
    console.print()
    console.print(printable(title), style="italic", markup=False)
