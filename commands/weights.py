"""`partstream weights`: third-party files in the cache, and the marks of checkpoints."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from commands.application import Application
from commands.ending import EXIT_USAGE, EXIT_WEIGHTS, console, exiting, fail, plain_console, printable

weights_app = Application(help="Third-party weights and footage, and the marks of checkpoints.", no_args_is_help=True)


@weights_app.command("list")
def weights_list() -> None:
    """List what can be fetched, what is in the cache, and the checkpoints, with licences and terms."""
    from commands.console import asset_console

    asset_console.show_list(console)


@weights_app.command("fetch")
def weights_fetch(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Assets; by default all that are not optional.")
    ] = None,
) -> None:
    """Download assets, pinned by version and SHA-256, into the cache."""
    from commands.console import asset_console

    asset_console.fetch(names, console)


@weights_app.command("add")
def weights_add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The asset.")],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Its file, or the folder with its files.")],
) -> None:
    """Copy an asset's files from this machine into the cache, and check their SHA-256."""
    from commands.console import asset_console

    asset_console.add(name, source, console)


@weights_app.command("verify")
def weights_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Assets; by default all in the cache.")
    ] = None,
) -> None:
    """Check the SHA-256 of files in the cache."""
    from commands.console import asset_console

    if not asset_console.verify(names, console):
        raise typer.Exit(EXIT_WEIGHTS)


@weights_app.command("mark")
def weights_mark(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint's file.")],
    experimental: Annotated[
        str,
        typer.Option(metavar="ACTIONS", help="Its experimental actions, separated by commas; '' for none."),
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this file instead of replacing CHECKPOINT.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Also round the network's weights to half precision: a smaller file.")
    ] = False,
) -> None:
    """Set the actions that results mark as experimental, because they are too often wrong on real video."""
    from stages.checkpoint import CheckpointError, load, rounded, save
    from stages.packaged_checkpoints import experimental_actions
    from stages.vocabulary import VocabularyError

    if out is not None and not out.name:
        fail("--out: give the path of a file", EXIT_USAGE)
    # The file that a link leads to is changed, not the link.
    target = Path(os.path.realpath(out or checkpoint))
    names = [name.strip() for name in experimental.split(",") if name.strip()]
    with exiting({CheckpointError: EXIT_WEIGHTS, VocabularyError: EXIT_USAGE}):
        found = load(checkpoint)
        marked = experimental_actions(names, found.vocabulary)
        sha256 = save(replace(rounded(found) if half else found, experimental=marked), target)
    shown = f"{target}: experimental actions: {', '.join(marked) or 'none'} ({sha256})"
    plain_console.print(printable(shown), markup=False, soft_wrap=True)
