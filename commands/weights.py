"""`partstream weights`: third-party files in the cache, and the marks of checkpoints."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from commands.application import Application
from commands.ending import EXIT_USAGE, EXIT_WEIGHTS, console, fail, plain_console, say

weights_app = Application(help="Third-party weights and footage, and the marks of checkpoints.", no_args_is_help=True)


@weights_app.command("list")
def weights_list() -> None:
    """List what can be fetched, what is in the cache, and the checkpoints, with licences and terms."""
    from commands.console.tables import table, text
    from stages.packaged_checkpoints import PACKAGED, summary
    from stages.third_party import weights

    assets = table(
        "name", "kind", "in cache", "licence", "from", "size", words=5, title=f"Cache: {weights.cache_dir()}"
    )
    for asset in weights.assets():
        here = "yes" if weights.present(asset.name) else "optional" if asset.optional else "no"
        assets.add_row(asset.name, asset.kind, here, asset.licence, asset.origin, f"{asset.size / 1e6:.1f} MB")
    plain_console.print(assets)
    found = {profile: summary(profile) for profile in PACKAGED}
    columns = ("profile", "weights", "may be used for", "size")
    checkpoints = table(*columns, words=3, title="Checkpoints of this installation")
    for profile, one in found.items():
        checkpoints.add_row(profile, one.sha256[7:15], text(one.terms.use), f"{one.size / 1e6:.1f} MB")
    plain_console.print(checkpoints)
    for profile, one in found.items():
        say(f"{profile} learned from: {one.terms.learned_from}")
        if one.experimental:
            say(f"{profile} experimental actions: {', '.join(one.experimental)}")


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
    from stages.third_party import weights

    say(f"{name} is in the cache and checked: {weights.add(name, source)}")


@weights_app.command("verify")
def weights_verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Assets; by default all in the cache.")
    ] = None,
) -> None:
    """Check the SHA-256 of files in the cache."""
    from stages.third_party import weights

    wanted = names or [asset.name for asset in weights.assets() if weights.present(asset.name)]
    if not wanted:
        say("The cache is empty: run `partstream weights fetch`.")
    problems = {name: weights.verify(name) for name in wanted}
    for name, found in problems.items():
        say(f"{name}: {'; '.join(found) or 'right'}")
    if any(problems.values()):
        raise typer.Exit(EXIT_WEIGHTS)


@weights_app.command("mark")
def weights_mark(
    checkpoint: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="The checkpoint's file.")],
    experimental: Annotated[
        str, typer.Option(metavar="ACTIONS", help="Its experimental actions, separated by commas; '' for none.")
    ],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write this file instead of replacing CHECKPOINT.")
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Also round the network's weights to half precision: a smaller file.")
    ] = False,
) -> None:
    """Set the actions that results mark as experimental, because they are too often wrong on real video."""
    from stages.checkpoint import load, rounded, save
    from stages.packaged_checkpoints import experimental_actions

    if out is not None and not out.name:
        fail("--out: give the path of a file", EXIT_USAGE)
    # The file that a link leads to is changed, not the link.
    target = Path(os.path.realpath(out or checkpoint))
    names = [name.strip() for name in experimental.split(",") if name.strip()]
    found = load(checkpoint)
    marked = experimental_actions(names, found.vocabulary)
    sha256 = save(replace(rounded(found) if half else found, experimental=marked), target)
    say(f"{target}: experimental actions: {', '.join(marked) or 'none'} ({sha256})")
