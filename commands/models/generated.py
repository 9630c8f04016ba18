"""`partstream generated`: score checkpoints on generated test videos, of which everything is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands.application import Application, lines
from commands.ending import EXIT_FAILED, EXIT_USAGE, error_console, fail, plain_console
from commands.models.frozen_set import FREEZE_EPILOG, FROZEN_EPILOG, freeze_command, frozen_command
from commands.models.generated_errors import generated_errors
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from stages.types import ModelInfo
    from training.benchmark.submission import GroundTruth
    from training.synthetic.scoring.figures.benchmark import BenchmarkScore
    from training.synthetic.scoring.runs import Conditions, Scored
    from training.synthetic.videos.manifest import Manifest

generated_app = Application(help="Score and compare checkpoints on generated test videos.", no_args_is_help=True)
generated_app.command("frozen", epilog=FROZEN_EPILOG)(frozen_command)
generated_app.command("freeze", epilog=FREEZE_EPILOG)(freeze_command)


class Window(StrEnum):
    """Mode of the action model's window, as in the configuration."""

    staggered = "staggered"
    continuous = "continuous"
    exact = "exact"


SetArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder made by `generated frozen` or `data generate --split test`.")
]
OwnOption = Annotated[bool, typer.Option("--own-set", help="Score a set other than the frozen one.")]
WorkersOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes.", show_default="one per core")]
WindowOption = Annotated[Window, typer.Option(help="Mode of the action model's window.")]
DeviceOption = Annotated[str, typer.Option(metavar="DEVICE", help="auto, cpu or cuda:N.")]
CORES = usable_cores()
EPILOG = "Exit codes: 0 done, 1 some videos have errors (each is named), 2 usage, 3 weights, 130 stopped."


@generated_app.command("score", epilog=EPILOG)
def score_command(
    folder: SetArgument,
    profile: Annotated[str, typer.Option(metavar="NAME|PATH", help="edge, edge-open or a checkpoint.")] = "edge",
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write one JSON object.")] = None,
    drop: Annotated[
        float | None,
        typer.Option(metavar="SHARE", min=0, max=0.99, help="Also score with this share of the frames missing."),
    ] = None,
    true_keypoints: Annotated[
        bool, typer.Option("--true-keypoints", help="Feed the true boxes and keypoints instead of the detector's.")
    ] = False,
    keypoint_noise: Annotated[
        float, typer.Option(metavar="PERCENT", min=0, help="Noise of true keypoints, in % of the box's longer side.")
    ] = 0.0,
    window: WindowOption = Window.staggered,
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Show frames 1, 1 + N, 1 + 2 N … only.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the frames that --drop removes.")] = 0,
    own_set: OwnOption = False,
    workers: WorkersOption = CORES,
    device: DeviceOption = "cpu",
) -> None:
    """Run every test video through a model, and score people, parts, frames and videos."""
    if keypoint_noise and not true_keypoints:
        raise typer.BadParameter("needs --true-keypoints", param_hint="--keypoint-noise")
    with generated_errors():
        from training.kinetics_tps.ground_truth import OFFICIAL_EVERY
        from training.synthetic.scoring.figures.figures import as_json, set_figures
        from training.synthetic.scoring.figures.tables import show
        from training.synthetic.scoring.runs import Conditions

        conditions = Conditions(window.value, true_keypoints, keypoint_noise, every, drop, seed, device)
        manifest, name, truth = _open(folder, own_set)
        infos, scored = _score(folder, manifest, [profile], conditions, workers)
        own = [one[0] for one in scored]
        # The frames that the benchmark scores must have been shown.
        benchmark = None if OFFICIAL_EVERY % every else _benchmark(truth, own)
        figures = set_figures([one.video for one in own], benchmark, drop)
        plain_console.print(
            f"{profile} ({infos[0].weights[:19]}…) on {name or 'a set of your own'}, {len(own)} videos", markup=False
        )
        show(figures, plain_console)
        if out is not None:
            _write(out, {**_head(manifest, name, conditions), **_model(profile, infos[0]), **as_json(figures)})
        if any(one.video.error for one in own):
            raise typer.Exit(EXIT_FAILED)


@generated_app.command(
    "ablate",
    epilog=lines("`partstream generated ablate DIR full=full.safetensors blind=blind.safetensors`", EPILOG),
)
def ablate_command(
    folder: SetArgument,
    checkpoints: Annotated[
        list[str], typer.Argument(metavar="NAME=PATH", help="Checkpoints; the first is the baseline.")
    ],
    baseline: Annotated[
        str | None, typer.Option(metavar="NAME", help="Checkpoint to compare with.", show_default="the first")
    ] = None,
    out: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Also write one JSON object.")] = None,
    window: WindowOption = Window.staggered,
    true_keypoints: Annotated[
        bool, typer.Option("--true-keypoints", help="Feed the true boxes and keypoints instead of the detector's.")
    ] = False,
    own_set: OwnOption = False,
    workers: WorkersOption = CORES,
    device: DeviceOption = "cpu",
) -> None:
    """Score several checkpoints on the same videos, and print their differences as a Markdown table.

    Differences to the baseline have 95 % intervals from a bootstrap over videos; those that exclude 0 are bold.
    """
    named = _named(checkpoints)
    reference = baseline or next(iter(named))
    if reference not in named:
        raise typer.BadParameter(f"{reference!r} is not one of {', '.join(named)}", param_hint="--baseline")
    with generated_errors():
        import msgspec

        from training.synthetic.scoring.figures.comparison import compare, markdown, outcome
        from training.synthetic.scoring.figures.figures import step_ms
        from training.synthetic.scoring.runs import Conditions

        conditions = Conditions(window.value, true_keypoints, device=device)
        manifest, set_name, truth = _open(folder, own_set)
        infos, scored = _score(folder, manifest, list(named.values()), conditions, workers)
        outcomes: dict[str, Any] = {}
        times: dict[str, float | None] = {}
        for at, name in enumerate(named):
            own = [one[at] for one in scored]
            benchmark = _benchmark(truth, own)
            videos = [one.video for one in own]
            times[name] = step_ms(videos)
            outcomes[name] = [
                outcome(one.judgement.judged, one.name, one.answer == one.action, benchmark.psc.get(one.name, 0.0))
                for one in videos
            ]
        compared = compare(outcomes, reference, times)
        plain_console.print(markdown(compared), markup=False, soft_wrap=True)
        if out is not None:
            models = {name: _model(path, info) for (name, path), info in zip(named.items(), infos)}
            rows = [{**models[one.name], **msgspec.to_builtins(one)} for one in compared]
            _write(out, {**_head(manifest, set_name, conditions), "baseline": reference, "checkpoints": rows})
        if any(one.video.error for row in scored for one in row):
            raise typer.Exit(EXIT_FAILED)


def _named(checkpoints: Sequence[str]) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in checkpoints:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise typer.BadParameter(f"{text!r} is not NAME=PATH, for example full=runs/full.safetensors")
        if name in named:
            raise typer.BadParameter(f"{name!r} is given twice; every checkpoint needs its own name")
        named[name] = path
    return named


def _open(folder: Path, own_set: bool) -> tuple[Manifest, str | None, GroundTruth]:
    """Return the manifest, the name of its frozen set (None for another set), and the metric's ground truth."""
    from training.synthetic.scoring.figures.benchmark import read_benchmark
    from training.synthetic.scoring.frozen_set import CURRENT, differences, frozen_sets, read_frozen_set, require
    from training.synthetic.scoring.known_videos import read_test_set

    manifest = read_test_set(folder)
    if not own_set:
        require(manifest, read_frozen_set(CURRENT), folder)
        return manifest, CURRENT, read_benchmark(folder)
    known = CURRENT in frozen_sets() and not differences(manifest, read_frozen_set(CURRENT))
    return manifest, CURRENT if known else None, read_benchmark(folder)


def _score(
    folder: Path,
    manifest: Manifest,
    profiles: list[str],
    conditions: Conditions,
    workers: int,
) -> tuple[list[ModelInfo], list[list[Scored]]]:
    """Return the models and, for each video in the manifest's order, its scores under each. Errors are printed."""
    from training.console.progress_bar import progress_bar
    from training.kinetics_tps.data_errors import printable
    from training.synthetic.scoring.known_videos import known_videos
    from training.synthetic.scoring.runs import check_models
    from training.synthetic.scoring.workers import score_videos

    videos = known_videos(folder, manifest)
    try:
        infos = check_models(profiles, conditions)
    except ValueError as error:
        fail(str(error), EXIT_USAGE)
    found: dict[int, list[Scored]] = {}
    with progress_bar("scoring videos") as progress:
        for index, scored in score_videos(videos, profiles, conditions, min(workers, len(videos))):
            found[index] = scored
            if progress is not None:
                progress(len(found), len(videos))
            if (error := scored[0].video.error) is not None:
                error_console.print(f"error: {printable(f'{videos[index].path}: {error}')}", markup=False)
    return infos, [found[index] for index in range(len(videos))]


def _benchmark(truth: GroundTruth, scored: Sequence[Scored]) -> BenchmarkScore:
    from training.synthetic.scoring.figures.benchmark import benchmark_score

    answers = {one.video.name: one.video.answer for one in scored}
    return benchmark_score(truth, answers, {one.video.name: one.reported for one in scored})


def _head(manifest: Manifest, name: str | None, conditions: Conditions) -> dict[str, Any]:
    import msgspec

    known = {"name": name, "seed": manifest.seed, "code": manifest.code, "videos": len(manifest.videos)}
    return {"set": known, "conditions": msgspec.to_builtins(conditions)}


def _model(profile: str, info: ModelInfo) -> dict[str, Any]:
    return {"profile": profile, "weights": info.weights, "trained": info.trained}


def _write(path: Path, content: dict[str, Any]) -> None:
    from training.kinetics_tps.write import write_whole

    write_whole(path, json.dumps(content).encode() + b"\n")
