"""`partstream run`: the engine, until it is done or stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.configuration import ConfigOption, SourcesArgument, load_config
from commands.ending import EXIT_NO_SOURCE, EXIT_USAGE, console, errors, fail, print_error
from commands.until_signal import until_signal

if TYPE_CHECKING:
    from stream.config import Config
    from stream.engine import Engine

logger = logging.getLogger(__name__)

EPILOG = (
    "Examples:  partstream run rtsp://user:password@10.0.0.7/stream   ·   partstream run door=rtsp://… yard=rtsp://…"
    "   ·   partstream run clip.mp4 --pace fast --once --results out.jsonl"
)


class Encoding(StrEnum):
    """How messages are encoded."""

    json = "json"
    msgpack = "msgpack"


class LogLevel(StrEnum):
    """How much is logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class Pace(StrEnum):
    """How files are played."""

    live = "live"
    fast = "fast"
    loop = "loop"


def run_command(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    profile: Annotated[
        str | None, typer.Option(metavar="NAME|PATH", help="edge, kinetics-tps or a checkpoint.", show_default="edge")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda:N.", show_default="auto")] = None,
    pub: Annotated[str | None, typer.Option(help="ZeroMQ: results.", show_default="tcp://127.0.0.1:5555")] = None,
    replay: Annotated[
        str | None, typer.Option(help="ZeroMQ endpoint for replay.", show_default="tcp://127.0.0.1:5556")
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(help="host:port of live page, API, metrics; `off` for none.", show_default="127.0.0.1:9090"),
    ] = None,
    encoding: Annotated[Encoding | None, typer.Option(help="Encoding of messages.", show_default="json")] = None,
    results: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write results as JSON lines.")] = None,
    pace: Annotated[
        Pace | None, typer.Option(help="Files: at their own pace, fast (every frame), or looped.", show_default="live")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="End when every source has ended.")] = False,
    table: Annotated[bool, typer.Option("--table", help="Show a live table of what is recognised.")] = False,
    json_logs: Annotated[bool, typer.Option("--json", help="Logs as JSON lines.")] = False,
    log_level: Annotated[LogLevel, typer.Option(help="How much is logged.")] = LogLevel.info,
) -> None:
    """Run the engine on cameras: recognise, publish over ZeroMQ, serve metrics. Ctrl-C stops it."""
    from telemetry import logs

    logs.configure(json=json_logs, level=log_level.value)
    overrides: dict[str, Any] = {
        "model": _given(profile=profile, device=device),
        "publish": _given(endpoint=pub, replay=replay, encoding=encoding and encoding.value),
        **_given(results=results),
    }
    if http is not None:
        overrides["http"] = {"bind": None if http == "off" else http}
    if once:
        overrides["once"] = True
    settings = load_config(config, overrides, sources or [], pace.value if pace else None)
    if not settings.cameras and settings.state_file is None:
        fail("no cameras: name a source (see --help) or list them under `cameras:` in a --config file", EXIT_USAGE)
    raise typer.Exit(run_engine(settings, table=table))


def run_engine(settings: Config, *, table: bool = False) -> int:
    """Run the engine until it is done or stopped; the exit code."""
    with errors():
        return until_signal(_serve(settings, table))


async def _serve(settings: Config, table: bool) -> int:
    from stream.engine import Engine, EngineFailedError

    async with Engine(settings) as engine:
        _profile_on_signal(engine)
        watching = None
        if table:
            from commands.console.watch import show_table

            watching = asyncio.create_task(show_table(engine.results(), console))
        try:
            await engine.wait()
        except EngineFailedError as error:
            fail(str(error))
        if watching is not None:
            watching.cancel()
        if not engine.ever_live:
            print_error("no source ever opened; the log above says why for each")
            return EXIT_NO_SOURCE
    return 0


# -- shared by the commands -------------------------------------------------------------------------------------
def _profile_on_signal(engine: Engine) -> None:
    """SIGUSR2 records for a few seconds where the time goes; the log says where the file is."""
    from stream.inference.profiling import ProfilingError

    def begin() -> None:
        try:
            recording = engine.profiling.begin()
        except ProfilingError as error:
            logger.warning("profiling: %s", error)
        else:
            logger.info("profiling for %g s: %s", recording.seconds, recording.name)

    if hasattr(signal, "SIGUSR2"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, begin)


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
