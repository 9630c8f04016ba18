"""`partstream run`: the engine, until it is done or stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import typer

from commands.application import lines
from commands.configuration import SourcesArgument, configuration
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, EXIT_NO_SOURCE, EXIT_USAGE, console, fail, print_error
from commands.gate.gate_file import log_gate
from commands.options import ConfigOption, ConfiguredDevice, ConfiguredProfile, DetectorSizeOption, parse_detector_size
from commands.until_signal import end_at_once, until_signal
from stream.settings.source_kinds import PACES

if TYPE_CHECKING:
    from collections.abc import AsyncIterable

    from stream.config import Config
    from stream.engine import Engine
    from stream.results import Message


logger = logging.getLogger(__name__)

NAMED = 5
"""Cameras that one reminder names; further ones are counted."""
AWAITED_STATES = ("connecting", "reconnecting", "stalled")
NO_PUBLISHER = "no_publisher"
"""A WHIP camera that waits for a publisher is not an error."""


class Status(Protocol):
    """What a reminder needs to know of a camera."""

    @property
    def camera(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def reason(self) -> str | None: ...
    @property
    def message(self) -> str: ...


class MissingCameras:
    """The cameras that are not live, and since when. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def reminder(self, statuses: Iterable[Status], now: float, at_least_s: float) -> list[str]:
        """Return a line for each camera that has not been live for `at_least_s`; empty if there is none."""
        missing = {
            status.camera: status
            for status in statuses
            if status.state in AWAITED_STATES and status.reason != NO_PUBLISHER
        }
        self._since = {camera: self._since.get(camera, now) for camera in missing}
        overdue = [status for camera, status in missing.items() if now - self._since[camera] >= at_least_s]
        lines = [f"not live for {now - self._since[status.camera]:.0f} s: {status.message}" for status in overdue]
        more = len(lines) - NAMED
        return [*lines[:NAMED], f"not live either: {more} more cameras"] if more > 0 else lines


async def remind(statuses: Callable[[], Iterable[Status]], every_s: float) -> None:
    """Log a reminder every `every_s` seconds until cancelled."""
    missing, now = MissingCameras(), asyncio.get_running_loop().time
    missing.reminder(statuses(), now(), every_s)
    while True:
        await asyncio.sleep(every_s)
        # The clock may be a little behind the sleep.
        for line in missing.reminder(statuses(), now(), every_s * 0.9):
            logger.warning("%s", line)


EPILOG = lines(
    "`partstream run rtsp://user:password@10.0.0.7/stream`",
    "`partstream run door=rtsp://… yard=/dev/video0`",
    "`partstream run clip.mp4 --pace fast --once --results out.jsonl`",
    "Cameras that cannot be reached are tried again until Ctrl-C. "
    "Exit code 4: no source opened before `--once` ended or the engine was stopped.",
)
REMIND_EVERY_S = 30.0
"""Interval of reminders of cameras that are not live."""
Encoding = Literal["json", "msgpack"]
LogLevel = Literal["debug", "info", "warning", "error"]
Pace = Literal["live", "fast", "loop"]


def run_command(
    sources: SourcesArgument = None,
    config: ConfigOption = None,
    profile: ConfiguredProfile = None,
    device: ConfiguredDevice = None,
    max_fps: Annotated[
        float | None,
        typer.Option(metavar="N", help="Analyse at most N frames a second of each camera.", show_default="no limit"),
    ] = None,
    detector_size: DetectorSizeOption = None,
    pace: Annotated[Pace | None, typer.Option(help=PACES, show_default="live")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when every source has ended.")] = False,
    results: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write results as JSON lines.")] = None,
    table: Annotated[bool, typer.Option("--table", help="Show a live table of what is recognised.")] = False,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Live page, API and metrics; `off` for none.", show_default="127.0.0.1:9090"
        ),
    ] = None,
    pub: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT", help="ZeroMQ endpoint of results.", show_default="tcp://127.0.0.1:5555"),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(metavar="ENDPOINT", help="ZeroMQ endpoint of replay.", show_default="tcp://127.0.0.1:5556"),
    ] = None,
    encoding: Annotated[Encoding | None, typer.Option(help="Encoding of messages.", show_default="json")] = None,
    json_logs: Annotated[bool, typer.Option("--json", help="Log as JSON lines.")] = False,
    log_level: Annotated[LogLevel, typer.Option(help="Minimum severity to log.")] = "info",
) -> None:
    """Recognise actions on cameras.

    Publishes the results over ZeroMQ, and serves a live page, an API and metrics over HTTP.
    """
    from telemetry import logs

    logs.configure(json=json_logs, level=log_level)
    overrides: dict[str, Any] = {
        "model": _given(profile=profile, device=device),
        "publish": _given(endpoint=pub, replay=replay, encoding=encoding),
        **_given(results=results),
    }
    if http is not None:
        overrides["http"] = {"bind": None if http == "off" else http}
    if once:
        overrides["once"] = True
    of_cameras = _given(pace=pace, max_fps=max_fps, detector_size=parse_detector_size(detector_size))
    settings = configuration(config, overrides, sources or [], of_cameras)
    if not settings.cameras and settings.state_file is None:
        fail("no cameras: name a source (see --help) or list them under `cameras:` in a --config file", EXIT_USAGE)
    _require_checkpoint(settings.model.profile)
    log_gate(settings.model.profile)
    raise typer.Exit(run_engine(settings, table=table))


def _require_checkpoint(profile: str) -> None:
    """Raise `WeightsError` for a path without a file."""
    from stages.packaged_checkpoints import PACKAGED, no_such_checkpoint
    from stages.third_party.weights import WeightsError

    if profile not in (*PACKAGED, "free") and not Path(profile).is_file():
        raise WeightsError(no_such_checkpoint(Path(profile)))


def run_engine(settings: Config, *, table: bool = False, remind_every_s: float = REMIND_EVERY_S) -> int:
    """Run the engine until it is done or stopped, and return the exit code."""
    code = until_signal(serve(settings, table=table, remind_every_s=remind_every_s))
    _end_if_busy(code)
    return code


def _end_if_busy(code: int) -> None:
    """End the process at once if the model is still at work, for example being loaded.

    Python would stop its thread in the middle of C++ code, which aborts the process with another exit code.
    """
    from stream.inference.inference_thread import NAME

    if any(thread.name == NAME for thread in threading.enumerate()):
        end_at_once(code)


async def serve(settings: Config, *, table: bool = False, remind_every_s: float = REMIND_EVERY_S) -> int:
    """Run the engine until it is done, and return the exit code. Cancelling stops it in order."""
    from stream.engine import Engine, EngineFailedError

    if settings.model.profile != "free":
        from stages.packaged_checkpoints import summary

        logger.info("%s", await asyncio.to_thread(summary, settings.model.profile))
    engine = Engine(settings)
    _profile_on_signal(engine)
    async with engine:
        cameras = engine.cameras.running
        tasks = [asyncio.create_task(remind(lambda: [camera.status for camera in cameras.values()], remind_every_s))]
        if table:
            tasks.append(asyncio.create_task(_show_table(engine.results())))
        try:
            await engine.wait()
        except asyncio.CancelledError:
            if engine.cameras.ever_live or not cameras:
                raise
            print_error("stopped before any source opened; the log above gives the reasons")
            return EXIT_NO_SOURCE
        except EngineFailedError as error:
            fail(str(error))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not engine.cameras.ever_live:
            print_error("no source opened; the log above gives the reason for each")
            # Without --once the engine ends by itself only if no source can ever be opened as it is configured.
            return EXIT_NO_SOURCE if settings.once else EXIT_USAGE
    if (file := engine.outputs.results_file) is not None and file.missing:
        print_error(f"{settings.results}: {counted(file.missing, 'result')} could not be written; see the log")
        return EXIT_FAILED
    return 0


async def _show_table(messages: AsyncIterable[Message]) -> None:
    """Show the live table, as long as standard output can be written. The engine runs on without it."""
    from commands.console.watch import show_table

    try:
        await show_table(messages, console)
    except OSError as error:
        logger.warning("the table is no longer shown: %s", error.strerror or error)


def _profile_on_signal(engine: Engine) -> None:
    """Record a profile of the inference thread on SIGUSR2; the log names its file."""
    if hasattr(signal, "SIGUSR2"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, engine.profiling.begin)


def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
