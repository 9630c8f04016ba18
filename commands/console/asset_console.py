"""The `weights` commands in a terminal: a table, progress bars, and what was checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from commands.console.amounts import counted
from commands.ending import printable
from stages.packaged_checkpoints import PACKAGED, summary
from stages.third_party import weights


def show_list(console: Console) -> None:
    """Print what can be fetched: kind, licence, origin, size, and whether it is in the cache. Then the checkpoints.

    Raises `WeightsError` for a packaged checkpoint that is missing or damaged.
    """
    table = Table(title=f"Cache: {weights.cache_dir()}", title_justify="left", box=None, pad_edge=False)
    for heading in ("name", "kind", "in cache", "size", "licence", "from"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for asset in weights.assets():
        here = "[green]yes[/]" if weights.present(asset.name) else "optional" if asset.optional else "no"
        table.add_row(asset.name, asset.kind, here, f"{asset.size / 1e6:.1f} MB", asset.licence, asset.origin)
    console.print(table)
    show_checkpoints(console)


def show_checkpoints(console: Console) -> None:
    """Print the checkpoints of the profiles: what the weights may be used for, and what they learned from.

    Raises `WeightsError` for a file that is missing or damaged.
    """
    found = {profile: summary(profile) for profile in PACKAGED}
    table = Table(title="\nCheckpoints of this installation", title_justify="left", box=None, pad_edge=False)
    for heading in ("profile", "size", "weights", "may be used for"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for profile, one in found.items():
        table.add_row(profile, f"{one.size / 1e6:.1f} MB", one.sha256[7:15], escape(printable(one.terms.use)))
    console.print(table)
    for profile, one in found.items():
        console.print(printable(f"\n{profile} learned from: {one.terms.learned_from}"), markup=False)
        if one.experimental:
            marked = printable(f"{profile} experimental actions: {', '.join(one.experimental)}")
            console.print(marked, markup=False)


def fetch(names: Sequence[str] | None, console: Console) -> None:
    """Fetch the named assets, by default all that are not optional, with a progress bar for each that is missing.

    Raises `WeightsError`.
    """
    needed = [asset.name for asset in weights.assets() if not asset.optional]
    wanted = [weights.asset(name) for name in names or needed]
    missing = [asset for asset in wanted if not weights.present(asset.name)]
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=False) as progress:
        for asset in missing:
            if weights.present(asset.name):
                continue  # It was in the package of another.
            bar = progress.add_task(asset.name, total=asset.download_bytes)

            def advance(done: int, total: int, bar: int = bar) -> None:
                progress.update(bar, completed=done, total=total)  # pyright: ignore[reportArgumentType]

            weights.fetch(asset.name, advance)
    for asset in wanted:
        weights.locate(asset.name)  # checks the hash of those that were there before, too
    fetched = f", {len(missing)} of them fetched now" if missing else ""
    console.print(f"Checked {counted(len(wanted), 'asset')} in the cache{fetched}.")


def add(name: str, source: Path, console: Console) -> None:
    """Copy an asset's files from this machine into the cache. Raises `WeightsError`."""
    path = weights.add(name, source)
    console.print(f"{name} is in the cache and checked: {path}")


def verify(names: Iterable[str] | None, console: Console) -> bool:
    """Check the SHA-256 of the named assets, by default all in the cache. Return whether all are right."""
    wanted = list(names or [asset.name for asset in weights.assets() if weights.present(asset.name)])
    if not wanted:
        console.print("The cache is empty: run `partstream weights fetch`.")
    all_right = True
    for name in wanted:
        problems = weights.verify(name)
        all_right = all_right and not problems
        console.print(f"{name}: " + (f"[red]{escape('; '.join(problems))}[/]" if problems else "[green]right[/]"))
    return all_right
