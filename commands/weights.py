"""`partstream weights`: third-party files in the cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commands.application import Application
from commands.ending import EXIT_WEIGHTS, console, errors

weights_app = Application(help="Third-party weights, data and footage in your cache.", no_args_is_help=True)


@weights_app.command("list")
def weights_list() -> None:
    """What partstream can fetch, its licence, and whether it is here."""
    from commands.console import asset_console

    asset_console.show_list(console)


@weights_app.command("fetch")
def weights_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Assets; by default all but the optional ones.")] = None,
) -> None:
    """Fetch assets by name, version and SHA-256 into the cache; what is there already is left alone."""
    from commands.console import asset_console

    with errors():
        asset_console.fetch(names, console)


@weights_app.command("add")
def weights_add(
    name: Annotated[str, typer.Argument(help="The asset.")],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Its file, or the folder that holds its files.")],
) -> None:
    """Put files that are on this machine already into the cache, checked against their SHA-256."""
    from commands.console import asset_console

    with errors():
        asset_console.add(name, source, console)


@weights_app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Assets; all that are here by default.")] = None,
) -> None:
    """Check the files in the cache against their SHA-256."""
    from commands.console import asset_console

    with errors():
        if not asset_console.verify(names, console):
            raise typer.Exit(EXIT_WEIGHTS)
