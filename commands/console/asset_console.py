"""The `weights` commands as a person sees them: a table, progress bars, what was checked. Owns nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from stages.third_party import weights


def show_list(console: Console) -> None:
    """Print what can be fetched: kind, licence, origin, size, and whether it is in the cache."""
    table = Table(title=f"In the cache at {weights.cache_dir()}", title_justify="left", box=None, pad_edge=False)
    for heading in ("name", "kind", "here", "size", "licence", "from"):
        table.add_column(heading, justify="right" if heading == "size" else "left")
    for asset in weights.assets():
        here = "[green]yes[/]" if weights.present(asset.name) else "optional" if asset.optional else "no"
        table.add_row(asset.name, asset.kind, here, f"{asset.size / 1e6:.1f} MB", asset.licence, asset.origin)
    console.print(table)


def fetch(names: Sequence[str] | None, console: Console) -> None:
    """Fetch the named assets, by default all that aren't optional, with a progress bar for each that isn't here. Raises
    `WeightsError`."""
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
            bar = progress.add_task(asset.name, total=asset.download_bytes)

            def advance(done: int, total: int, bar: int = bar) -> None:
                progress.update(bar, completed=done, total=total)  # pyright: ignore[reportArgumentType]

            weights.fetch(asset.name, advance)
    for asset in wanted:
        weights.locate(asset.name)  # checked by hash, whether fetched now or here before
    console.print(f"{len(wanted)} assets are here and checked, {len(missing)} of them fetched now.")


def add(name: str, source: Path, console: Console) -> None:
    """Put an asset's files, which are on this machine, into the cache. Raises `WeightsError`."""
    where = weights.add(name, source)
    console.print(f"{name} is in the cache now and checked: {where}")


def verify(names: Iterable[str] | None, console: Console) -> bool:
    """Check the named assets (all that are here, by default) against their SHA-256; true if nothing is wrong."""
    wanted = list(names or [asset.name for asset in weights.assets() if weights.present(asset.name)])
    if not wanted:
        console.print("Nothing is in the cache yet: `weights fetch` gets it.")
    sound = True
    for name in wanted:
        faults = weights.verify(name)
        sound = sound and not faults
        console.print(f"{name}: " + ("[green]right[/]" if not faults else f"[red]{'; '.join(faults)}[/]"))
    return sound
