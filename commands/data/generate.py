"""`partstream data generate`: draw data sets of people."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from commands.application import lines
from commands.ending import EXIT_INTERRUPTED, EXIT_USAGE, fail, plain_console, say
from stages.runtimes.machine import usable_cores

if TYPE_CHECKING:
    from training.synthetic.videos.manifest import Manifest

EPILOG = lines(
    "`partstream data generate drawn --per-action 40 --seed 1`",
    "Exit codes: 0 done, 1 failed, 2 usage, 3 no body or motions in the cache, 130 stopped",
)
Half = Literal["train", "test"]


def generate_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An empty or new folder.")],
    split: Annotated[
        Half, typer.Option(help="test: people and motions that training never uses, and other cameras.")
    ] = "train",
    videos: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Number of videos, over all actions.", show_default="24")
    ] = None,
    per_action: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Videos of each action, instead of --videos.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same videos, whatever their number.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes.", show_default="one per core")
    ] = None,
    actions: Annotated[
        str | None, typer.Option(metavar="NAME,NAME…", help="Only these actions.", show_default="all actions")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Keep the videos in DIR, and make the others.")] = False,
) -> None:
    """Draw videos of people with complete annotations, in the Kinetics-TPS layout.

    Ctrl-C ends after the videos in progress; complete videos are kept.
    """
    from training.console import progress_bar, stopped_by_signals
    from training.synthetic.motion.movement import ACTIONS
    from training.synthetic.videos.folder import GeneratedFolder, Plan
    from training.synthetic.videos.sheet import save_sheet

    if videos is not None and per_action is not None:
        fail("give --videos or --per-action, not both", EXIT_USAGE)
    chosen = tuple(name.strip() for name in actions.split(",")) if actions is not None else ACTIONS
    count = videos if videos is not None else (per_action or 1) * len(chosen)
    began = time.monotonic()
    place = GeneratedFolder(folder, Plan(split, count, seed, chosen), resume=resume)
    with progress_bar("drawing videos") as progress, stopped_by_signals() as stopped:
        manifest = place.make(workers or usable_cores(), progress, stopped)
    save_sheet(folder, manifest)
    _show(folder, manifest, time.monotonic() - began)
    if len(manifest.videos) < count:
        plain_console.print(f"stopped; {count - len(manifest.videos)} videos are missing: continue with --resume")
        raise typer.Exit(EXIT_INTERRUPTED)


def _show(folder: Path, manifest: Manifest, seconds: float) -> None:
    from commands.console.tables import table

    shown = table("action", "videos", "frames", "people a video", "unseen motion")
    for action in dict.fromkeys(video.action for video in manifest.videos):
        videos = [video for video in manifest.videos if video.action == action]
        people = sum(video.people for video in videos) / len(videos)
        unseen = "yes" if all(video.unseen_motion for video in videos) else "no"
        frames = sum(video.frames for video in videos)
        shown.add_row(action, str(len(videos)), str(frames), f"{people:.1f}", unseen)
    plain_console.print(shown)
    frames = sum(video.frames for video in manifest.videos)
    say(
        f"{len(manifest.videos)} {manifest.split} videos with {frames} frames are in {folder} after {seconds:.0f} s; "
        "contact-sheet.jpg shows some"
    )
