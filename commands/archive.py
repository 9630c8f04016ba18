"""`run_stream.py bridge`: keeps what an engine publishes as Parquet files, for questions later."""

from __future__ import annotations

import logging
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from commands.ending import EXIT_FAILED, EXIT_USAGE, complaints, errors, fail
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from stream.archive.archive import Archive
    from stream.archive.archiver import Bridge
    from stream.results import Message
    from stream.subscriber import Subscription

logger = logging.getLogger(__name__)

EPILOG = (
    "Example:  partstream bridge archive tcp://engine:5555 --replay tcp://engine:5556 --keep 50GB  "
    "Questions to ask it: docs/archive.md"
)
LOCAL, LOCAL_REPLAY = "tcp://127.0.0.1:5555", "tcp://127.0.0.1:5556"
HIGH_WATER_MARK = 10_000
"""Messages queued while a file is written: ten seconds of 80 cameras at 12.5 a second."""


class PartitionBy(StrEnum):
    """How long a folder's rows stretch."""

    hour = "hour"
    day = "day"


def bridge_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go.")],
    endpoint: Annotated[str, typer.Argument(help="Where an engine publishes.")] = LOCAL,
    replay: Annotated[
        str | None,
        typer.Option(
            help="The engine's replay endpoint, to fill gaps from.", show_default=f"{LOCAL_REPLAY} for {LOCAL}"
        ),
    ] = None,
    camera: Annotated[list[str] | None, typer.Option("--camera", help="Only this camera; may be repeated.")] = None,
    every: Annotated[float, typer.Option(metavar="SECONDS", min=0.1, help="How often files are written.")] = 60.0,
    partition: Annotated[PartitionBy, typer.Option(help="A folder a table and hour, or day.")] = PartitionBy.hour,
    parts: Annotated[int, typer.Option(min=0, help="Parts kept of each person, the most relevant.")] = 3,
    keep: Annotated[str, typer.Option(metavar="SIZE", help="Bytes kept; the oldest files go.")] = "20GB",
    keep_days: Annotated[float | None, typer.Option(min=0, help="Days kept.", show_default="no limit")] = None,
    least_free: Annotated[str, typer.Option(metavar="SIZE", help="Left free on the disk.")] = "500MB",
    server_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the engine's public key."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: your own secret key.")
    ] = None,
) -> None:
    """Keep what an engine publishes as Parquet files (DuckDB, pandas, Spark read them). Goes on where it stopped."""
    keep_bytes, free_bytes = _size("--keep", keep), _size("--least-free", least_free)
    try:
        from stream.archive.archive import Archive
        from stream.archive.archiver import Bridge
    except ModuleNotFoundError as error:
        fail(f"{error.name} is missing: pip install 'partstream\\[bridge]'", EXIT_USAGE)
    from stream.subscriber import subscribe
    from telemetry import logs

    logs.configure()
    if replay is None and endpoint == LOCAL:
        replay = LOCAL_REPLAY
    if replay is None:
        logger.warning("without --replay what is missed is only counted: gaps stay, and stops of the bridge too")
    with errors():
        archive = Archive(
            folder,
            partition=partition.value,
            keep_bytes=keep_bytes,
            keep_days=keep_days,
            least_free=free_bytes,
        )
        try:
            bridge = Bridge(archive, every_s=every, parts=parts)
            messages = subscribe(
                endpoint,
                kinds=("results", "events", "status"),
                cameras=camera,
                replay=replay,
                on_gap=bridge.gap,
                high_water_mark=HIGH_WATER_MARK,
                server_key=server_key,
                key_file=key_file,
                resume=archive.positions,
            )
            logger.info("keeping what %s publishes in %s (%d files)", endpoint, folder, len(archive))
            code = until_signal(_run(bridge, messages))
        except ValueError as error:
            fail(escape(str(error)), EXIT_USAGE)
        finally:
            archive.close()
    _summarise(bridge, archive)
    raise typer.Exit(EXIT_FAILED if bridge.counts.unwritten else code)


async def _run(bridge: Bridge, messages: Subscription[Message]) -> int:
    await bridge.run(messages)
    return 0


def _summarise(bridge: Bridge, archive: Archive) -> None:
    counts = bridge.counts
    logger.info(
        "%d messages written, %d rows of people; %d gaps, %d messages lost; %d files, %d MB, %d files removed",
        counts.messages,
        counts.people,
        counts.gaps,
        counts.lost,
        len(archive),
        archive.bytes_kept // 10**6,
        archive.removed,
    )
    if counts.unusable or counts.failed_writes:
        logger.warning("%d messages left out, %d times nothing could be written", counts.unusable, counts.failed_writes)
    if counts.unwritten:
        complaints.print(
            f"[bold red]partstream:[/] {counts.unwritten} messages that were read couldn't be written "
            f"({escape(bridge.trouble)}): make room and start again; what the engine still holds is asked for then"
        )


def _size(option: str, text: str) -> int:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    try:
        return TypeAdapter(ByteSize).validate_python(text)
    except ValidationError:
        fail(f"{option} {escape(text)} isn't a size such as 500MB or 20GB", EXIT_USAGE)
