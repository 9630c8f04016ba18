"""partstream's command line: `run_stream.py --help`, or `partstream --help` where it is installed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from stream.keys_command import keys_app
from training.data_command import data_app
from training.export_command import EPILOG as EXPORT_EPILOG
from training.export_command import export_command
from training.footage_command import footage_app
from training.generated_command import generated_app
from training.predict_command import EPILOG as PREDICT_EPILOG
from training.predict_command import predict_command
from training.train_command import train_app

if TYPE_CHECKING:
    from stream.config import Config
    from stream.demo import Server

# Heavy imports (torch, av) happen inside the commands, so that help and mistakes answer at once.

EXIT_FAILED, EXIT_USAGE, EXIT_WEIGHTS, EXIT_NO_SOURCE = 1, 2, 3, 4

app = typer.Typer(
    name="partstream",
    help="Real-time action recognition on live cameras, with the body parts that explain each action.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 weights, 4 no source ever opened, "
    "130 and 143 stopped by Ctrl-C and SIGTERM.",
)
weights_app = typer.Typer(help="Third-party weights, data and footage in your cache.", no_args_is_help=True)
config_app = typer.Typer(help="Check a configuration, or print its JSON Schema.", no_args_is_help=True)
app.add_typer(weights_app, name="weights")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
app.add_typer(data_app, name="data")
app.add_typer(train_app, name="train")
app.add_typer(footage_app, name="footage")
app.add_typer(generated_app, name="generated")
app.command("predict", epilog=PREDICT_EPILOG)(predict_command)
app.command("export", epilog=EXPORT_EPILOG)(export_command)

console = Console()
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


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


def fail(message: str, code: int = EXIT_FAILED) -> NoReturn:
    """Say what is wrong on stderr and end with the code."""
    complaints.print(f"[bold red]partstream:[/] {message}", markup=True)
    raise typer.Exit(code)


SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:, as they are (named cam0, cam1 …) "
        "or as id=SOURCE.",
        show_default=False,
    ),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="YAML; `config schema` says what it may hold.")
]


@app.command(
    epilog="Examples:  partstream run rtsp://user:password@10.0.0.7/stream   ·   partstream run door=rtsp://… yard=rtsp://…"
    "   ·   partstream run clip.mp4 --pace fast --once --results out.jsonl"
)
def run(
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
    settings = _load_config(config, overrides, sources or [], pace.value if pace else None)
    if not settings.cameras and settings.state_file is None:
        fail("no cameras: name a source (see --help) or list them under `cameras:` in a --config file", EXIT_USAGE)
    raise typer.Exit(run_engine(settings, table=table))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the results go.")] = Path("demo_out"),
    seconds: Annotated[float, typer.Option(min=3, help="Seconds of footage a camera.")] = 30.0,
) -> None:
    """See it work: real footage over a real RTSP server, a live table, then an annotated video and a summary."""
    from stream import demo as demonstration
    from telemetry import logs

    logs.configure(json=False, level="warning")
    with _errors():
        raise typer.Exit(demonstration.show(out, seconds, console, _rtsp_server))


@app.command(epilog="Example:  partstream subscribe tcp://127.0.0.1:5555 --camera door")
def subscribe(
    endpoint: Annotated[str, typer.Argument(help="Where an engine publishes.")] = "tcp://127.0.0.1:5555",
    camera: Annotated[list[str] | None, typer.Option("--camera", help="Only this camera; may be repeated.")] = None,
    replay: Annotated[str | None, typer.Option(help="The engine's replay endpoint: gaps are filled from it.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Print messages as JSON lines instead.")] = False,
    server_key: Annotated[
        str | None,
        typer.Option(metavar="KEY|FILE", envvar="PARTSTREAM_SERVER_KEY", help="CURVE: the engine's public key."),
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", envvar="PARTSTREAM_KEY_FILE", help="CURVE: your own secret key.")
    ] = None,
) -> None:
    """Watch what an engine publishes: a live table, or the messages themselves."""
    from stream.subscriber import KINDS, subscribe
    from stream.watch import watch

    try:
        messages = subscribe(
            endpoint, kinds=KINDS, cameras=camera, replay=replay, server_key=server_key, key_file=key_file
        )
    except ValueError as error:
        fail(escape(str(error)), EXIT_USAGE)
    with _errors():
        raise typer.Exit(_until_signal(watch(messages, raw, console)))


@app.command()
def annotate(
    video: Annotated[Path, typer.Argument(help="The video that was analysed.")],
    results: Annotated[Path, typer.Argument(help="What `run --results` wrote for it.")],
    out: Annotated[Path, typer.Argument(help="The MP4 to write.")],
    camera: Annotated[str | None, typer.Option(help="Which camera's results, if they are of several.")] = None,
) -> None:
    """Draw results on their video: people, parts coloured by relevance, states, the action and its reasons."""
    from stream.annotate import annotate_file

    with _errors():
        annotate_file(video, results, out, console, camera=camera)


@app.command(epilog="Example:  partstream evaluate --gt truth/ --pred submission/ --html report.html")
def evaluate(
    gt: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="gt_vid_result.json and gt_part_result.json."),
    ],
    pred: Annotated[
        Path,
        typer.Option(exists=True, file_okay=False, metavar="DIR", help="pred_vid_result.json, pred_part_result.json."),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write a report with plots.")] = None,
    observed: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Answers over time, for the report: see docs/evaluation.md.")
    ] = None,
) -> None:
    """Score a prediction as the Kinetics-TPS benchmark does: part states, classes, and the area over both."""
    from training.evaluate_command import ReportError, evaluate_submission
    from training.submission_errors import SubmissionError

    try:
        evaluate_submission(
            gt, pred, console=console, complaints=complaints, as_one_object=as_json, html=html, observed=observed
        )
    except (SubmissionError, ReportError) as error:
        fail(escape(str(error)))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def bench(context: typer.Context) -> None:
    """Measure against a bare loop and against peers: `bench engine`, `bench ingest`, `bench model` … (`--help`)."""
    from benchmarks.__main__ import main as benchmark

    raise typer.Exit(benchmark(context.args))


@weights_app.command("list")
def weights_list() -> None:
    """What partstream can fetch, its licence, and whether it is here."""
    from stream import asset_console

    asset_console.show_list(console)


@weights_app.command("fetch")
def weights_fetch(
    names: Annotated[list[str] | None, typer.Argument(help="Assets; by default all but the optional ones.")] = None,
) -> None:
    """Fetch assets by name, version and SHA-256 into the cache; what is there already is left alone."""
    from stream import asset_console

    with _errors():
        asset_console.fetch(names, console)


@weights_app.command("add")
def weights_add(
    name: Annotated[str, typer.Argument(help="The asset.")],
    source: Annotated[Path, typer.Argument(metavar="FILE", help="Its file, or the folder that holds its files.")],
) -> None:
    """Put files that are on this machine already into the cache, checked against their SHA-256."""
    from stream import asset_console

    with _errors():
        asset_console.add(name, source, console)


@weights_app.command("verify")
def weights_verify(
    names: Annotated[list[str] | None, typer.Argument(help="Assets; all that are here by default.")] = None,
) -> None:
    """Check the files in the cache against their SHA-256."""
    from stream import asset_console

    with _errors():
        if not asset_console.verify(names, console):
            raise typer.Exit(EXIT_WEIGHTS)


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(help="The YAML file.")]) -> None:
    """Say whether a configuration is right, and print it as it is in force, without secrets."""
    settings = _load_config(file, {}, [], None)
    console.print_json(settings.model_dump_json())


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON Schema of the configuration, for editors that check YAML."""
    from stream.config import Config

    console.print_json(data=Config.model_json_schema())


# -- shared by the commands -------------------------------------------------------------------------------------
def _given(**values: object) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _load_config(path: Path | None, overrides: dict[str, Any], sources: list[str], pace: str | None) -> Config:
    from stream.config import ConfigError, load

    try:
        settings = load(path, overrides)
        if not sources and pace is None:
            return settings
        cameras = [camera.model_dump() | {"source": camera.source} for camera in settings.cameras]
        cameras += [parse_source(text, len(cameras) + index) for index, text in enumerate(sources)]
        if pace is not None:
            cameras = [camera | {"pace": pace} for camera in cameras]
        return load(path, overrides | {"cameras": cameras})
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)


def parse_source(text: str, index: int) -> dict[str, Any]:
    """`id=SOURCE`, or a bare source, which is named cam0, cam1 … by its place."""
    from stream.settings.section import CAMERA_ID
    from stream.settings.source_address import SourceAddress

    name, equals, source = text.partition("=")
    if equals and CAMERA_ID.fullmatch(name) and source:
        return {"id": name, "source": SourceAddress(source)}
    return {"id": f"cam{index}", "source": SourceAddress(text)}


def run_engine(settings: Config, *, table: bool = False) -> int:
    """Run the engine until it is done or stopped; the exit code."""
    with _errors():
        return _until_signal(_serve(settings, table))


async def _serve(settings: Config, table: bool) -> int:
    from stream.engine import Engine, EngineFailedError

    async with Engine(settings) as engine:
        watching = None
        if table:
            from stream.watch import show_table

            watching = asyncio.create_task(show_table(engine.results(), console))
        try:
            await engine.wait()
        except EngineFailedError as error:
            fail(str(error))
        if watching is not None:
            watching.cancel()
        if not engine.ever_live:
            complaints.print("[bold red]partstream:[/] no source ever opened; the log above says why for each")
            return EXIT_NO_SOURCE
    return 0


@contextmanager
def _rtsp_server(files: Mapping[str, Path]) -> Generator[Server]:
    from benchmarks.rtsp_server import RtspServer, RtspServerError
    from stream.demo import NoServerError

    server = RtspServer(files=files)
    try:
        server.__enter__()
    except RtspServerError as error:
        raise NoServerError(str(error)) from None
    with ExitStack() as stack:
        stack.push(server)
        yield server


def _until_signal(work: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine that returns an exit code; Ctrl-C and SIGTERM cancel it, which stops everything in order."""
    received: list[int] = []

    async def cancellable() -> int:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: int) -> None:
            received.append(number)
            if len(received) > 1:
                os._exit(128 + number)  # asked twice: at once
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        return await work

    with asyncio.Runner(loop_factory=_event_loop()) as runner:
        try:
            return runner.run(cancellable())
        except asyncio.CancelledError:
            return 128 + received[0] if received else EXIT_FAILED


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists: it halves what waking the loop for a frame costs."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextmanager
def _errors() -> Generator[None]:
    """Turns the errors that a user can do something about into a sentence and an exit code."""
    from stages.weights import WeightsError
    from stream.settings.section import ConfigError

    try:
        yield
    except WeightsError as error:
        fail(str(error), EXIT_WEIGHTS)
    except ConfigError as error:
        fail(str(error), EXIT_USAGE)


def main() -> None:
    """The installed command."""
    app()


if __name__ == "__main__":
    main()
