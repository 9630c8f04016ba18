"""`partstream rules`: check rules files, try them on recorded results, and describe them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.application import Application, lines
from commands.console.amounts import counted
from commands.ending import EXIT_FAILED, EXIT_USAGE, console, error_console, fail, printable
from commands.json_file import write_json, write_text
from commands.options import CamerasOption, ConfigOption, JsonFileOption

if TYPE_CHECKING:
    from commands.rules.trial import Sources, Trial
    from stream.backtest.selection import Selection
    from stream.config import Config

rules_app = Application(help="Check rules, and try them on recorded results.", no_args_is_help=True)

ProfileOption = Annotated[
    str | None, typer.Option(metavar="NAME|PATH", help="edge, edge-open, kinetics-tps or a checkpoint.")
]
RulesArgument = Annotated[Path, typer.Argument(metavar="RULES", help="The rules file (docs/rules.md).")]
TRY_EPILOG = lines(
    "`partstream rules try rules.yaml archive --from 2026-11-01 --to 2026-11-08`",
    "`partstream rules try new.yaml archive --against old.yaml`",
    "`partstream rules try rules.yaml hall=clip.mp4 --config partstream.yaml --labels labels.csv`",
    "Exit code 1: some rules could not be tried.",
)


@rules_app.command("try", epilog=TRY_EPILOG)
def try_command(
    rules: RulesArgument,
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE", help="Folder of `partstream archive`, file of `run --results`, or [ID=]VIDEO."
        ),
    ],
    against: Annotated[
        Path | None, typer.Option(metavar="RULES", help="Another rules file: show only what is new and what is gone.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="JSON or CSV: when rules should have raised an alert (camera, rule, start, end)."
        ),
    ] = None,
    camera: CamerasOption = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From this time on, UTC: 2026-11-25T21:30.")
    ] = None,
    to: Annotated[str | None, typer.Option(metavar="TIME", help="Before this time, UTC.")] = None,
    config: ConfigOption = None,
    profile: ProfileOption = None,
    json_file: JsonFileOption = None,
    alerts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the messages about alerts as JSON lines.")
    ] = None,
) -> None:
    """Try rules on recorded results: how often would they have raised an alert, when, and for whom?

    With --config, zones and lines are those of its cameras instead of the recorded ones, and videos are analysed with
    its settings.
    """
    from commands.rules import report, summary
    from stream.backtest.labels import judged, read_labels
    from stream.backtest.raised import compared
    from stream.rules_file import load_rules

    files = [(path, load_rules(path)) for path in (rules, against) if path is not None]
    selection = _selection(camera, from_, to)
    settings = _config(config)
    with TemporaryDirectory() as folder:
        found = _sources(sources, config, profile, Path(folder))
        trial = _tried(files, found, selection, settings, profile)
    ends = trial.end_us
    comparison = compared(trial.files[0].raised, trial.files[1].raised, ends) if against is not None else None
    judgements = None
    if labels is not None:
        read = read_labels(labels, trial.segments, files[0][1].rules)
        judgements = judged(read, trial.files[0].raised, ends)
    content = summary.summary(trial, comparison, judgements)
    report.show(content, console)
    videos = (Path(source.partition("=")[2] or source) for source in sources)
    read_files = [path for path in (rules, against, labels, config, *videos) if path is not None]
    write_json(json_file, content, read_files, indent=2)
    if alerts is not None:
        import msgspec

        messages = (msgspec.json.encode(message).decode() for message in trial.files[0].messages)
        write_text(alerts, "".join(f"{message}\n" for message in messages), read_files)
    if trial.refused:
        raise typer.Exit(EXIT_FAILED)


@rules_app.command("check")
def check_command(rules: RulesArgument, config: ConfigOption = None, profile: ProfileOption = None) -> None:
    """Check a rules file.

    Names of actions, parts and states are compared with those that the checkpoint knows: that of --profile, else that
    of --config, else `edge`. With --config, zones, lines and cameras that it lacks are warnings. Exit code 2: the file
    is wrong.
    """
    from stream.rules_file import Places, check_names, load_rules, place_warnings, stored_names

    loaded = load_rules(rules)
    settings = _config(config)
    name = profile or (settings.model.profile if settings is not None else "edge")
    if name != "free":
        check_names(loaded, stored_names(name), str(rules))
    if settings is not None:
        places = {camera.id: Places(list(camera.zones), list(camera.lines)) for camera in settings.cameras}
        for warning in place_warnings(loaded, places):
            error_console.print(printable(f"{rules}: warning: {warning}"), markup=False)
    found = f"{counted(len(loaded.rules), 'rule')}, {counted(len(loaded.actions), 'written action')}"
    error_console.print(printable(f"{rules}: valid ({found})"), markup=False)


@rules_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of rules files."""
    from stream.rules_file import rules_schema

    console.print_json(data=rules_schema())


def _tried(
    files: Sequence[tuple[Path, Any]],
    sources: Sources,
    selection: Selection,
    settings: Config | None,
    profile: str | None,
) -> Trial:
    if sources.archives:
        import pyarrow  # noqa: F401 - before anything is read
    from commands.rules.trial import run_trial

    with error_console.status("Trying the rules …"):
        return run_trial(files, sources, selection, settings, profile)


def _sources(sources: Sequence[str], config: Path | None, profile: str | None, folder: Path) -> Sources:
    """Sort the sources, and analyse those that are videos."""
    from commands.rules.trial import Sources

    archives = [Path(source) for source in sources if Path(source).is_dir()]
    files = [Path(source) for source in sources if ".jsonl" in Path(source).suffixes and Path(source) not in archives]
    videos = [source for source in sources if Path(source) not in [*archives, *files]]
    if not videos:
        return Sources(archives, files)
    for source in videos:
        if "=" not in source and ":" not in source and not Path(source).exists():
            fail(
                f"{source}: no such file or folder. A source is a folder of `partstream archive`, a file of "
                "`partstream run --results`, or a video",
                EXIT_USAGE,
            )
    from commands.configuration import parse_source
    from commands.rules.videos import Video, analyse
    from telemetry import logs

    logs.configure(level="warning")
    results = folder / "results.jsonl"
    parsed = map(parse_source, videos, range(len(videos)))
    analyse([Video(one["source"].reveal(), one["id"], one["id"]) for one in parsed], config, profile, results)
    return Sources(archives, files, [results])


def _selection(cameras: list[str] | None, from_: str | None, to: str | None) -> Selection:
    from stream.backtest.selection import Selection

    return Selection(frozenset(cameras) if cameras else None, _time("--from", from_), _time("--to", to))


def _time(option: str, text: str | None) -> int | None:
    from stream.backtest.labels import time_us

    try:
        return None if text is None else time_us(text)
    except ValueError:
        fail(f"{option} {text} is not a time such as 2026-11-25 or 2026-11-25T21:30", EXIT_USAGE)


def _config(path: Path | None) -> Config | None:
    from commands.config.this_machine import with_kept_cameras
    from stream.config import load

    return None if path is None else with_kept_cameras(load(path))
