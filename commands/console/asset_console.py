"""Fetching weights and footage, with progress bars in a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from commands.console.amounts import counted
from stages.third_party import weights


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
