"""A folder of example clips, `DIR/<action>/<clip>.mp4`: found, watched, and divided into roles.

Each clip shows one person doing the folder's action from the first frame to the last; further people may be in it.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from stages.verdicts.verdict_file import LAYOUT, is_verdicts_folder
from training.kinetics_tps.names import ANNOTATIONS, VIDEOS
from training.kinetics_tps.video_facts import VideoError
from training.kinetics_tps.video_roles import Role
from training.sources.formats.body import FormatError
from training.sources.formats.videos import read_action_folders, video_facts
from training.sources.segmented_videos import EXTENSIONS, Segment, SegmentedVideo
from training.sources.terms import FILE, DataFolderError

if TYPE_CHECKING:
    from training.annotated_videos.feature_cache import Progress
    from training.sources.watched_videos import WatchedVideo

SOURCE = "examples"
"""The name of the clips' source, in batches and in a checkpoint's metrics."""
FEWEST_TO_MEASURE = 5
"""Fewest clips of an action of which one in five is held out."""
_LABEL = re.compile(r"[a-z][a-z0-9_]{0,39}")

Layout = Literal["annotated", "examples", "verdicts"]


@dataclass(frozen=True, slots=True, eq=False)
class ExampleClips:
    """The clips that can be learned from. `left_out`: messages about the others, each with its file.

    Videos held out to measure have the role `test`.
    """

    folder: Path
    videos: tuple[WatchedVideo, ...]
    left_out: tuple[str, ...] = ()
    fingerprint: str = field(default="")

    @property
    def actions(self) -> tuple[str, ...]:
        """The actions that have a clip to learn from, sorted."""
        return tuple(sorted({action_of(video) for video in self.videos}))

    def count(self, action: str, role: Role) -> int:
        """Return the number of an action's clips with a role."""
        return sum(action_of(video) == action and video.role == role for video in self.videos)

    def summary(self) -> dict[str, Any]:
        """Return what was learned from, for a checkpoint's metrics."""
        return {
            "folder": self.folder.name,
            "fingerprint": self.fingerprint,
            "clips": {
                action: {"learned": self.count(action, "train"), "held_out": self.count(action, "test")}
                for action in self.actions
            },
            "left_out": len(self.left_out),
        }


def layout_of(folder: Path) -> Layout:
    """Return which layout a folder has: annotated videos as in Kinetics-TPS, examples by action, or verdicts.

    A folder that does not exist counts as annotated; opening it gives the error. Raises `DataFolderError` for a folder
    with none of them.
    """
    if (folder / LAYOUT).is_file():
        if not is_verdicts_folder(folder):
            raise DataFolderError(f"{folder / LAYOUT}: marks no folder of verdicts that this version reads")
        return "verdicts"
    if not folder.is_dir() or any((folder / name).is_dir() for name in (*VIDEOS.values(), ANNOTATIONS)):
        return "annotated"
    if (folder / FILE).is_file():
        raise DataFolderError(f"{folder}: is a data folder of recorded motion; give it as --recorded {folder}")
    if any(_is_video(path) for action in _action_folders(folder) for path in action.iterdir()):
        return "examples"
    hint = ""
    if any(_is_video(path) for path in folder.iterdir()):
        hint = f" The videos in {folder} itself have no action: move them to a folder with its name."
    raise DataFolderError(
        f"{folder}: holds neither examples nor annotated videos nor verdicts. Examples are a folder of clips for each "
        f"action, such as {folder}/star_jump/clip-1.mp4; annotated videos lie in {VIDEOS['train']}/ and "
        f"{ANNOTATIONS}/; a folder of verdicts has {LAYOUT}.{hint}"
    )


def find_clips(folder: Path) -> tuple[list[SegmentedVideo], list[str]]:
    """Return the clips of a folder of examples, and messages about those that cannot be read.

    Raises `DataFolderError` for a folder without clips, or with a name that cannot be an action.
    """
    try:
        listed = read_action_folders(folder)
    except FormatError as error:
        raise DataFolderError(str(error)) from None
    found: list[SegmentedVideo] = []
    left_out = [
        f"{action}: holds no video ({', '.join(EXTENSIONS)})"
        for action in _action_folders(folder)
        if not any(map(_is_video, action.iterdir()))
    ]
    for video in listed:
        action = video.rows[0].label
        check_label(folder, action)
        try:
            frames, fps, size = video_facts(video.path)
        except (FormatError, VideoError) as error:
            left_out.append(str(error))
            continue
        segments = (Segment(0, frames, action),)
        found.append(SegmentedVideo(SOURCE, video.name, video.path, frames, fps, size, segments))
    return found, left_out


def check_label(folder: Path, action: str) -> None:
    """Raise `DataFolderError` if a folder's name cannot be an action."""
    if not _LABEL.fullmatch(action):
        fitting = re.sub(r"[^a-z0-9]+", "_", action.lower()).strip("_")
        advice = f", such as {fitting}" if _LABEL.fullmatch(fitting) else ", such as star_jump"
        raise DataFolderError(
            f"{folder / action}: the folder's name becomes the action, so it must be up to 40 lower-case letters, "
            f"digits and _, beginning with a letter{advice}; rename it"
        )


def open_examples(
    folder: Path,
    *,
    hold_out: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> ExampleClips:
    """Watch the clips with MoveNet, in `workers` processes where they are not cached, and divide them into roles.

    Raises `DataFolderError` for a folder that cannot be used or an action without any clip to learn from,
    `WeightsError` without the detector, and OSError if the cache cannot be written.
    """
    # Imported here because it imports torch, for which a look at a folder's layout need not wait.
    from training.sources.watched_videos import watch_segmented

    found, left_out = find_clips(folder)
    roles: list[Role] = ["train"] * len(found)
    watched, skipped = watch_segmented(found, roles, workers=workers, progress=progress, cache=cache)
    left_out += [f"{path}: {message}" for path, message in sorted(skipped.items())]
    videos: list[WatchedVideo] = []
    for video in watched:
        if (video.action >= 0).any():
            videos.append(video)
        else:
            left_out.append(
                f"{video.video.path}: no person is tracked in at least half of the frames with people; show the whole "
                "person, larger and in better light"
            )
    lacking = sorted({path.name for path in _action_folders(folder) if any(map(_is_video, path.iterdir()))})
    lacking = [action for action in lacking if all(action_of(video) != action for video in videos)]
    if lacking:
        raise DataFolderError(
            f"{folder}: no clip of {', '.join(lacking)} can be learned from: {'; '.join(left_out):.600}"
        )
    made = with_roles(videos, hold_out=hold_out)
    return ExampleClips(folder, tuple(made), tuple(left_out), _fingerprint(made))


def with_roles(videos: Sequence[WatchedVideo], *, hold_out: bool) -> list[WatchedVideo]:
    """Return the videos, with the third of every five clips of an action, by name, held out (role `test`).

    An action with fewer than five clips is learned from all of them.
    """
    numbers = Counter(action_of(video) for video in videos)
    seen = Counter[str]()
    made: list[WatchedVideo] = []
    for video in sorted(videos, key=lambda one: one.video.name):
        action = action_of(video)
        place, seen[action] = seen[action], seen[action] + 1
        held = hold_out and numbers[action] >= FEWEST_TO_MEASURE and place % 5 == 2
        made.append(replace(video, role="test" if held else "train"))
    return made


def action_of(video: WatchedVideo) -> str:
    """Return the action of an example clip."""
    label = video.video.segments[0].label
    assert label is not None
    return label


def _action_folders(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_dir() and not path.name.startswith("."))


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in EXTENSIONS and path.is_file()


def _fingerprint(videos: Sequence[WatchedVideo]) -> str:
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.video.name} {video.role}\n".encode())
        digest.update(np.ascontiguousarray(video.seen.keypoints).tobytes())
    return digest.hexdigest()
