"""`partstream generated`: score checkpoints on generated test videos, of which everything is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.application import Application
from commands.ending import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    error_console,
    exiting,
    fail,
    plain_console,
    printable,
    say,
    stopping,
)
from commands.json_file import write_json
from commands.options import DeviceOption, JsonFileOption, ProfileOption
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from stages.types import ModelInfo
    from training.benchmark.submission import GroundTruth
    from training.synthetic.scoring.figures.benchmark import BenchmarkScore
    from training.synthetic.scoring.runs import Conditions, Scored
    from training.synthetic.videos.manifest import Manifest

generated_app = Application(help="Score checkpoints on generated test videos.", no_args_is_help=True)
Window = Literal["staggered", "continuous", "exact"]
SetArgument = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder made by `generated frozen` or `data generate --split test`.")
]
OwnOption = Annotated[bool, typer.Option("--own-set", help="Score a set other than the frozen one.")]
WorkersOption = Annotated[int, typer.Option(min=1, metavar="N", help="Processes.", show_default="one per core")]
WindowOption = Annotated[Window, typer.Option(help="Mode of the action model's window.")]
CORES = usable_cores()
EPILOG = "Exit codes: 0 done, 1 some videos have errors (each is named), 2 usage, 3 weights, 130 stopped."


@generated_app.command("score", epilog=EPILOG)
def score_command(
    folder: SetArgument,
    profile: ProfileOption = "edge",
    out: JsonFileOption = None,
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
    window: WindowOption = "staggered",
    every: Annotated[int, typer.Option(min=1, metavar="N", help="Show frames 1, 1 + N, 1 + 2 N … only.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the frames that --drop removes.")] = 0,
    own_set: OwnOption = False,
    workers: WorkersOption = CORES,
    device: DeviceOption = "cpu",
) -> None:
    """Run every test video through a model, and score people, parts, frames and videos."""
    if keypoint_noise and not true_keypoints:
        raise typer.BadParameter("needs --true-keypoints", param_hint="--keypoint-noise")
    with stopping("stopped; nothing was written"):
        import msgspec

        from training.kinetics_tps.write import OFFICIAL_EVERY
        from training.synthetic.scoring.figures.figures import as_json, set_figures
        from training.synthetic.scoring.figures.tables import show
        from training.synthetic.scoring.runs import Conditions

        conditions = Conditions(window, true_keypoints, keypoint_noise, every, drop, seed, device)
        manifest, name, truth = _open(folder, own_set)
        info, own = _score(folder, manifest, profile, conditions, workers)
        # The frames that the benchmark scores must have been shown.
        benchmark = None if OFFICIAL_EVERY % every else _benchmark(truth, own)
        figures = set_figures([one.video for one in own], benchmark, drop)
        say(f"{profile} ({info.weights[:19]}…) on {name or 'a set of your own'}, {len(own)} videos")
        show(figures, plain_console)
        content = {
            "set": {"name": name, "seed": manifest.seed, "code": manifest.code, "videos": len(manifest.videos)},
            "conditions": msgspec.to_builtins(conditions),
            "profile": profile,
            "weights": info.weights,
            "trained": info.trained,
        }
        write_json(out, content | as_json(figures))
        if any(one.video.error for one in own):
            raise typer.Exit(EXIT_FAILED)


FROZEN_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage or another generator, 3 no body or motions in the cache, 130 stopped."
)


@generated_app.command("frozen", epilog=FROZEN_EPILOG)
def frozen_command(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="An empty or new folder, or one in which this command was stopped.")
    ],
    workers: WorkersOption = CORES,
) -> None:
    """Draw the frozen test set, on which checkpoints are compared: bit for bit the same videos every time.

    Refused if the generator's code has changed since. Ctrl-C ends after the videos in progress, a second Ctrl-C at
    once; complete videos are kept, and the same command continues from there.
    """
    from training.console import progress_bar, stopped_by_signals
    from training.synthetic.scoring.frozen_plan import plan_of
    from training.synthetic.scoring.frozen_set import CURRENT, read_frozen_set
    from training.synthetic.videos.folder import GeneratedFolder

    plan = plan_of(read_frozen_set(CURRENT))
    with stopping("stopped at once; complete videos are kept, and the same command makes the others"):
        place = GeneratedFolder(out, plan, resume=True)
        with progress_bar("drawing videos") as progress, stopped_by_signals() as stopped:
            made = len(place.make(workers, progress, stopped).videos)
    say(f"{made} videos of {CURRENT} are in {out}")
    if made < plan.videos:
        fail(f"stopped; {plan.videos - made} videos are missing, and the same command makes them", EXIT_INTERRUPTED)


@generated_app.command("freeze", epilog="Exit codes: 0 done, 1 failed, 2 usage, or a folder that cannot be frozen.")
def freeze_command(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder made by `data generate --split test --per-action K`.")
    ],
    version: Annotated[int, typer.Option(min=1, metavar="N", help="Version of the test set that this becomes.")] = 1,
) -> None:
    """Freeze a generated test set: keep its seed, settings and code hash as `training/held_out/…json`.

    For developers of the generator. Commit the file, not the videos: `generated frozen` makes them again.
    """
    from training.synthetic.scoring.frozen_set import freeze, write_frozen_set
    from training.synthetic.scoring.known_videos import read_test_set

    say(f"wrote {write_frozen_set(freeze(read_test_set(folder), version))}")


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
    folder: Path, manifest: Manifest, profile: str, conditions: Conditions, workers: int
) -> tuple[ModelInfo, list[Scored]]:
    """Return the model, and the scores of the videos in the manifest's order. Errors are printed."""
    from training.console import progress_bar
    from training.synthetic.scoring.known_videos import known_videos
    from training.synthetic.scoring.runs import check_models
    from training.synthetic.scoring.workers import score_videos

    videos = known_videos(folder, manifest)
    with exiting({ValueError: EXIT_USAGE}):
        [info] = check_models([profile], conditions)
    found: dict[int, Scored] = {}
    with progress_bar("scoring videos") as progress:
        for index, [scored] in score_videos(videos, [profile], conditions, min(workers, len(videos))):
            found[index] = scored
            progress(len(found), len(videos))
            if (error := scored.video.error) is not None:
                error_console.print(f"error: {printable(f'{videos[index].path}: {error}')}", markup=False)
    return info, [found[index] for index in range(len(videos))]


def _benchmark(truth: GroundTruth, scored: Sequence[Scored]) -> BenchmarkScore:
    from training.synthetic.scoring.figures.benchmark import benchmark_score

    answers = {one.video.name: one.video.answer for one in scored}
    return benchmark_score(truth, answers, {one.video.name: one.reported for one in scored})
