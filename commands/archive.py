"""`partstream archive`: keep what an engine publishes as Parquet files."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.application import lines
from commands.console.amounts import size_text
from commands.ending import EXIT_FAILED, EXIT_USAGE, fail, print_error
from commands.options import (
    LOCAL,
    LOCAL_REPLAY,
    CamerasOption,
    Endpoint,
    KeyFileOption,
    ServerKeyOption,
    endpoint_to_connect_to,
)
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from stream.archive.archive import Archive
    from stream.archive.archiver import Archiver
    from stream.results import Message
    from stream.subscriber import Subscription

logger = logging.getLogger(__name__)

EPILOG = lines(
    "`partstream archive`",
    "`partstream archive tcp://engine:5555 --replay tcp://engine:5556 --out results --keep 50GB`",
    "docs/archive.md has example queries.",
)
HIGH_WATER_MARK = 10_000
"""Messages queued while a file is written: ten seconds of 80 cameras at 12.5 frames per second."""
PartitionBy = Literal["hour", "day"]


def archive_command(
    endpoint: Endpoint = LOCAL,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Directory of the archive; made if missing.")] = Path(
        "archive"
    ),
    replay: Annotated[
        str | None,
        typer.Option(
            metavar="ENDPOINT",
            help="The engine's replay endpoint, to fill gaps from.",
            show_default=f"{LOCAL_REPLAY} for {LOCAL}",
        ),
    ] = None,
    camera: CamerasOption = None,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="Interval between writes.")] = 60.0,
    partition: Annotated[PartitionBy, typer.Option(help="One folder per hour or day.")] = "hour",
    parts: Annotated[
        str,
        typer.Option(
            metavar="N|all", help="Body parts kept for each person, the most relevant first; `all` keeps all."
        ),
    ] = "3",
    keep: Annotated[str, typer.Option(metavar="SIZE", help="Maximum size; the oldest files are removed.")] = "20GB",
    keep_days: Annotated[
        float | None, typer.Option(min=0, metavar="DAYS", help="Maximum age of files.", show_default="no limit")
    ] = None,
    least_free: Annotated[str, typer.Option(metavar="SIZE", help="Space left free on the disk.")] = "500MB",
    server_key: ServerKeyOption = None,
    key_file: KeyFileOption = None,
) -> None:
    """Keep results as Parquet files, for DuckDB, pandas or Spark.

    Continues where it stopped: it requests the messages published since then from the engine's replay endpoint; those
    of a fleet are a gap.
    """
    endpoint = endpoint_to_connect_to(endpoint, elsewhere="the directory is given with --out")
    fleet = endpoint.startswith("fleet://")
    replay = endpoint_to_connect_to(replay) if replay is not None else None
    kept_parts = _parts(parts)
    keep_bytes, free_bytes = _size("--keep", keep), _size("--least-free", least_free)
    from stream.archive.archive import Archive
    from stream.archive.archiver import KINDS, Archiver
    from stream.subscriber import subscribe
    from telemetry import logs

    logs.configure()
    if replay is None and endpoint == LOCAL:
        replay = LOCAL_REPLAY
    if replay is None and not fleet:
        logger.warning("without --replay, gaps are counted but not filled")
    archive = Archive(out, partition=partition, keep_bytes=keep_bytes, keep_days=keep_days, least_free=free_bytes)
    try:
        archiver = Archiver(archive, every_s=every, parts=kept_parts, fleet=fleet)
        messages = subscribe(
            endpoint,
            kinds=KINDS,
            cameras=camera,
            replay=replay,
            on_gap=archiver.gap,
            on_moved=archiver.moved if fleet else None,
            high_water_mark=HIGH_WATER_MARK,
            server_key=server_key,
            key_file=key_file,
            resume=None if fleet else archive.positions,
        )
        logger.info("archiving %s in %s (%d files so far)", endpoint, out, len(archive))
        code = until_signal(_run(archiver, messages))
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    finally:
        archive.close()
    _summarise(archiver, archive)
    raise typer.Exit(EXIT_FAILED if archiver.counts.unwritten else code)


async def _run(archiver: Archiver, messages: Subscription[Message]) -> int:
    await archiver.run(messages)
    return 0


def _summarise(archiver: Archiver, archive: Archive) -> None:
    counts = archiver.counts
    logger.info(
        "%d messages written, %d rows of people; %d gaps, %d messages lost, unknown numbers in %d places; "
        "%d files, %s, %d files removed, %d merged",
        counts.messages,
        counts.people,
        counts.gaps,
        counts.lost,
        counts.unknown,
        len(archive),
        size_text(archive.bytes_kept),
        archive.removed,
        archive.merged,
    )
    if counts.unusable or counts.failed_writes:
        logger.warning("%d messages skipped, %d writes failed", counts.unusable, counts.failed_writes)
    if counts.unwritten:
        print_error(f"{counts.unwritten} messages unwritten ({archiver.write_error}): make room and run it again")


def _parts(text: str) -> int | None:
    """Return the number of parts to keep; None: all."""
    if text == "all":
        return None
    if not text.isdecimal():
        fail(f"--parts {text} is neither a number nor all", EXIT_USAGE)
    return int(text)


def _size(option: str, text: str) -> int:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        fail(f"{option} {text} is not a size such as 500MB or 20GB", EXIT_USAGE)
