"""The `weights` commands in a terminal: a table, progress bars, and what was checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from commands.console.amounts import counted
from commands.console.tables import table, text
from commands.ending import printable
from stages.packaged_checkpoints import PACKAGED, summary
from stages.third_party import weights


def show_list(console: Console) -> None:
    """Print what can be fetched: kind, licence, origin, size, and whether it is in the cache. Then the checkpoints.

    Raises `WeightsError` for a packaged checkpoint that is missing or damaged.
    """
    shown = table("name", "kind", "in cache", "licence", "from", "size", words=5, title=f"Cache: {weights.cache_dir()}")
    for asset in weights.assets():
        here = "[green]yes[/]" if weights.present(asset.name) else "optional" if asset.optional else "no"
        shown.add_row(asset.name, asset.kind, here, asset.licence, asset.origin, f"{asset.size / 1e6:.1f} MB")
    console.print(shown)
    show_checkpoints(console)


def show_checkpoints(console: Console) -> None:
    """Print the checkpoints of the profiles: what the weights may be used for, and what they learned from.

    Raises `WeightsError` for a file that is missing or damaged.
    """
    found = {profile: summary(profile) for profile in PACKAGED}
    columns = ("profile", "weights", "may be used for", "size")
    shown = table(*columns, words=3, title="Checkpoints of this installation")
    for profile, one in found.items():
        shown.add_row(profile, one.sha256[7:15], text(one.terms.use), f"{one.size / 1e6:.1f} MB")
    console.print(shown)
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
    for asset in missing:
        fetch_asset(asset.name, console)
    for asset in wanted:
        weights.locate(asset.name)  # checks the hash of those that were there before, too
    fetched = f", {len(missing)} of them fetched now" if missing else ""
    console.print(f"Checked {counted(len(wanted), 'asset')} in the cache{fetched}.")


def fetch_asset(name: str, console: Console) -> None:
    """Fetch an asset with a progress bar, unless it is in the cache. Raises `WeightsError`."""
    if weights.present(name):  # also because it was in the package of another
        return
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(compact=True))
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(f"fetching {name}")
        weights.fetch(name, lambda done, total: progress.update(task, completed=done, total=total))


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
