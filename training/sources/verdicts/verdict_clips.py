"""A folder of verdicts (`stages.verdicts.verdict_file`): read, its clips watched, and divided into roles.

`open_verdicts(folder)` returns `VerdictClips`: every clip with a usable verdict, watched once. Of each `JudgedClip`:

- `watched` is the clip as `training.scoring.film_answers.answered_film` takes it: all people (`watched.seen`) with
  keypoints, boxes and times, and the actions that the verdicts say (`watched.action`) or exclude (`watched.excluded`);
- `judged` are its verdicts, each with the number of the track that it is on, as in `watched.seen.track`; `frames` gives
  the frames of its span;
- `unit` is what is learned or held out together (`training.sources.verdicts.verdict_clips`);
- `held_out` says whether the clip is never learned, but measured. A checkpoint that learned from verdicts has the units
  that it saw in `metrics["verdicts"]["learned_units"]`. They are never held out from those that start from it."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from stages.verdicts.verdict_file import CLIP_ENDINGS, CLIPS, LAYOUT, Verdict, is_verdicts_folder, read_all
from training.annotated_videos.sightings import Sightings
from training.benchmark.measures import iou
from training.kinetics_tps.video_roles import Role
from training.sources.formats.body import FormatError
from training.sources.formats.videos import video_facts
from training.sources.segmented_videos import SegmentedVideo
from training.sources.terms import DataFolderError

if TYPE_CHECKING:
    from training.annotated_videos.feature_cache import Progress
    from training.sources.watched_videos import WatchedVideo

SOURCE = "verdicts"
"""The name of the clips' source, in batches and in a checkpoint's metrics."""
LEARNED_UNITS = "learned_units"
"""The key in `metrics[SOURCE]` of the units that a checkpoint, or one that it started from, learned."""
HELD_OUT_OF = 5
"""One unit in this many is held out."""

_TIMED = re.compile(r"([0-9]{8}T[0-9]{3})[0-9]{6}Z_")
"""The begin of a recorded clip's name: the UTC time of its first event or alert, captured up to the ten minutes."""


def unit_of(camera: str, clip: str) -> str:
    """Return the unit of a clip by its name, such as `door/20261130T0540`.

    A clip whose name does not begin with a time, as a recorded one does, is a unit of its own.
    """
    timed = _TIMED.match(clip)
    return f"{camera}/{clip if timed is None else timed[1] + '0'}"


def chosen(unit: str) -> bool:
    """Return whether a unit is one of those to hold out. About one in five is, by the hash of its name."""
    return int.from_bytes(hashlib.sha256(unit.encode()).digest()[:8]) % HELD_OUT_OF == 0


def learned_units(metrics: Mapping[str, Any]) -> frozenset[str]:
    """Return the units from which a checkpoint with these metrics learned, itself or one that it started from.

    Raises ValueError if it learned from verdicts and does not say from which units.
    """
    recorded: Any = metrics.get(SOURCE)
    if recorded is None:
        return frozenset()
    units: Any = recorded.get(LEARNED_UNITS) if isinstance(recorded, Mapping) else None  # pyright: ignore
    if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):  # pyright: ignore
        raise ValueError(
            f"the checkpoint learned from verdicts and does not say from which (metrics.{SOURCE}.{LEARNED_UNITS}), so "
            "that nothing could be held out from it; train it with this version of Partstream"
        )
    return frozenset(units)  # pyright: ignore


LEAST_IOU = 0.5
"""Least mean IoU of a track and a verdict's boxes. Both come from the same detector, so that they are close."""
LEAST_SHARE = 0.5
"""Least share of a verdict's boxes at whose times the track is seen."""

Boxes = NDArray[np.float64]


class _Match(NamedTuple):
    overlap: float
    """Sum of the IoU over the verdict's boxes."""
    track: int


def matching_track(seen: Sightings, verdict: Verdict, size: tuple[int, int], fps: float) -> int | None:
    """Return the track that a verdict is on, None if none has its boxes.

    `size` (width, height) and `fps` are those of the clip in which `seen` was. A track is compared at the boxes' times,
    to half a frame. It fits if it is seen at `LEAST_SHARE` of them and its mean IoU there is `LEAST_IOU`. Of several,
    the one with the largest sum of IoU is returned.
    """
    boxes = np.array(verdict.boxes, np.float64)
    scale = np.array([size[0] / verdict.size[0], size[1] / verdict.size[1]] * 2)
    best: _Match | None = None
    for rows in seen.tracks():
        near, found = _at(seen.time_us[rows], boxes[:, 0], 0.5e6 / fps)
        if not found.any() or found.sum() < LEAST_SHARE * len(boxes):
            continue
        overlap = iou(seen.box[rows][near[found]], boxes[found, 1:] * scale)
        if overlap.mean() >= LEAST_IOU and (best is None or overlap.sum() > best.overlap):
            best = _Match(float(overlap.sum()), int(seen.track[rows.start]))
    return None if best is None else best.track


def _at(times_us: NDArray[np.int64], wanted_us: Boxes, tolerance_us: float) -> tuple[NDArray[np.int64], NDArray]:
    """Return the place of the nearest of the ascending `times_us` for each wanted one, and whether it is near."""
    after = np.searchsorted(times_us, wanted_us).clip(1, max(1, len(times_us) - 1))
    before = after - 1
    after = after.clip(max=len(times_us) - 1)
    near = np.where(np.abs(times_us[after] - wanted_us) < np.abs(times_us[before] - wanted_us), after, before)
    return near, np.abs(times_us[near] - wanted_us) <= tolerance_us


logger = logging.getLogger(__name__)


class Judged(NamedTuple):
    """A verdict, and the number of the track in the watched clip that it is on."""

    verdict: Verdict
    track: int

    @property
    def action(self) -> str:
        """The action that is the person's, or that is excluded if the verdict is `wrong`."""
        return self.verdict.truth or self.verdict.said


@dataclass(frozen=True, slots=True, eq=False)
class JudgedClip:
    """A watched clip and its usable verdicts, at least one, in order of `at_us`."""

    watched: WatchedVideo
    judged: tuple[Judged, ...]

    @property
    def name(self) -> str:
        """The common name of the clip's files."""
        return self.watched.video.name

    @property
    def unit(self) -> str:
        """The camera and the ten minutes in which the clip begins. Their clips have the same role."""
        return unit_of(self.judged[0].verdict.camera, self.name)

    @property
    def held_out(self) -> bool:
        """Whether the clip is only measured. All verdicts of a clip are held out together."""
        return self.watched.role == "test"

    def inside(self, judged: Judged) -> NDArray[np.bool_]:
        """Return which sightings of `watched.seen`, bool [n], are the verdict's person in its span."""
        return _inside(self.watched.seen, judged)

    def frames(self, judged: Judged) -> tuple[int, int]:
        """Return the first frame in which the person is seen in the verdict's span, and the one after the last."""
        frames = self.watched.seen.frame[self.inside(judged)]
        return int(frames.min()), int(frames.max()) + 1

    def replaced(self) -> list[str]:
        """Return messages about exclusions that steps lack because a later verdict excludes another action there.

        A step excludes one action only.
        """
        messages: list[str] = []
        video = self.watched
        for one in self.judged:
            if one.verdict.truth is None and video.excluded is not None:
                excluded = video.excluded[self.inside(one)[video.seen.step]]
                others = sorted({video.actions[at] for at in excluded[excluded >= 0].tolist()} - {one.action})
                count = int(sum((excluded == video.actions.index(other)).sum() for other in others))
                if others:
                    messages.append(
                        f"{one.verdict.id}: wrong about {one.action!r}, but {count} of its {len(excluded)} steps "
                        f"exclude {', '.join(map(repr, others))} instead, by a later verdict"
                    )
        return messages


@dataclass(frozen=True, slots=True, eq=False)
class VerdictClips:
    """The clips with usable verdicts, by time of their first verdict.

    `left_out`: messages about verdicts that cannot be used, each with its id; `damaged`: about files that hold no
    verdict. `only_wrong`: about verdicts that count as `wrong`, because the action that they name is not known.
    """

    folder: Path
    clips: tuple[JudgedClip, ...]
    left_out: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    fingerprint: str = field(default="")
    """Hash of the verdicts, of what is seen in their clips, of the roles, and of `learned_before`."""
    learned_before: frozenset[str] = frozenset()
    """The units that the checkpoint at the start has learned."""
    only_wrong: tuple[str, ...] = ()

    @property
    def in_part(self) -> tuple[str, ...]:
        """Messages about verdicts of which a part cannot be used, each with its id."""
        return (*self.only_wrong, *(message for clip in self.clips for message in clip.replaced()))

    def verdicts(self, *, held_out: bool | None = None) -> Iterator[tuple[JudgedClip, Judged]]:
        """Yield the usable verdicts with their clips; `held_out`: only those that are held out, or only the others."""
        for clip in self.clips:
            if held_out is None or clip.held_out == held_out:
                yield from ((clip, one) for one in clip.judged)

    def within(self, actions: Collection[str]) -> VerdictClips:
        """Return the verdicts that say or exclude one of these actions; the others are left out.

        One that `really` names another action than these still says that the named one was wrong, and counts as that.
        """
        clips: list[JudgedClip] = []
        left_out: list[str] = []
        only_wrong: list[str] = []
        for clip in self.clips:
            kept: list[Judged] = []
            for one in clip.judged:
                lacking = f"{one.verdict.id}: the checkpoint has no action {one.action!r}"
                if one.action in actions:
                    kept.append(one)
                elif one.verdict.said in actions:
                    wrong = msgspec.structs.replace(one.verdict, verdict="wrong", truth=None)
                    kept.append(one._replace(verdict=wrong))
                    only_wrong.append(f"{lacking}; counts as wrong about {one.verdict.said!r}")
                else:
                    left_out.append(lacking)
            if kept:
                clips.append(replace(clip, watched=_labelled(clip.watched, kept), judged=tuple(kept)))
        return replace(
            self,
            clips=tuple(clips),
            left_out=(*self.left_out, *left_out),
            only_wrong=(*self.only_wrong, *only_wrong),
        )

    def counts(self, *, held_out: bool | None = None) -> dict[str, dict[str, int]]:
        """Return the number of usable verdicts by the action that was said, and by verdict."""
        found: dict[str, Counter[str]] = {}
        for _, one in self.verdicts(held_out=held_out):
            found.setdefault(one.verdict.said, Counter())[one.verdict.verdict] += 1
        return {said: dict(sorted(found[said].items())) for said in sorted(found)}

    def summary(self) -> dict[str, Any]:
        """Return what was learned from and what was held out, for a checkpoint's metrics."""
        return {
            "folder": self.folder.name,
            "fingerprint": self.fingerprint,
            "learned": self.counts(held_out=False),
            "held_out": self.counts(held_out=True),
            "held_out_clips": sorted(clip.name for clip in self.clips if clip.held_out),
            LEARNED_UNITS: sorted(self.learned_before.union(clip.unit for clip in self.clips if not clip.held_out)),
            "left_out": len(self.left_out),
            "in_part": len(self.in_part),
            "damaged": len(self.damaged),
        }


def open_verdicts(
    folder: Path,
    *,
    hold_out: bool = True,
    learned_before: Collection[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
    cache: Path | None = None,
) -> VerdictClips:
    """Read the verdicts, and watch their clips with MoveNet, in `workers` processes where they are not cached.

    `learned_before`: units that are not held out, because a checkpoint learned them. A clip is watched once, whatever
    the number of its verdicts. `progress` is called with (clips done, clips); `cache`: the folder of watched videos, by
    default the user's. Damaged files are logged and left out. Raises
    `DataFolderError` for a folder that holds no verdicts, or none that can be used, `WeightsError` without the
    detector, and OSError if the folder cannot be read or the cache cannot be written.
    """
    # Imported here because it imports torch, for which a look at a folder's layout need not wait.
    from training.sources.watched_videos import watch_segmented

    by_clip, damaged = _read(folder)
    videos, left_out = _videos(folder, by_clip)
    roles: list[Role] = ["train"] * len(videos)
    watched, skipped = watch_segmented(videos, roles, workers=workers, progress=progress, cache=cache)
    for video in videos:
        if video.path in skipped:
            left_out += [f"{one.id}: {video.path}: {skipped[video.path]}" for one in by_clip[video.name]]
    clips: list[JudgedClip] = []
    for video in watched:
        clip, messages = judged_clip(video, by_clip[video.video.name])
        left_out += messages
        if clip is not None:
            clips.append(clip)
    if not clips:
        counted = Counter(verdict.verdict for verdicts in by_clip.values() for verdict in verdicts)
        read = ", ".join(f"{number} {name}" for name, number in sorted(counted.items())) or "none"
        raise DataFolderError(
            f"{folder}: holds no verdict that can be used. Verdicts read: {read}; damaged files: {len(damaged)}; left "
            f"out: {len(left_out)}. {'; '.join([*damaged, *left_out]):.600}"
        )
    before = frozenset(learned_before)
    made = tuple(with_roles(clips, hold_out=hold_out, learned_before=before))
    return VerdictClips(folder, made, tuple(left_out), tuple(damaged), _fingerprint(made, before), before)


def judged_clip(video: WatchedVideo, verdicts: Sequence[Verdict]) -> tuple[JudgedClip | None, list[str]]:
    """Match the verdicts of a watched clip with its tracks.

    Returns the clip, None if no verdict can be used, and messages about those that cannot.
    """
    judged: list[Judged] = []
    left_out: list[str] = []
    for verdict in sorted(verdicts, key=lambda one: (one.at_us, one.id)):
        track = matching_track(video.seen, verdict, video.video.size, video.video.fps)
        if track is None:
            left_out.append(f"{verdict.id}: no person in {video.video.path} has its boxes")
        elif not (_inside(video.seen, one := Judged(verdict, track)) & video.seen.step).any():
            left_out.append(f"{verdict.id}: the person in {video.video.path} is not seen well enough in its span")
        else:
            judged.append(one)
    if not judged:
        return None, left_out
    return JudgedClip(_labelled(video, judged), tuple(judged)), left_out


def with_roles(
    clips: Sequence[JudgedClip], *, hold_out: bool, learned_before: Collection[str] = ()
) -> list[JudgedClip]:
    """Return the clips by time of their first verdict, with the units held out that their hash chooses.

    A unit in `learned_before` is not held out. The role of a clip depends on no other clip.
    """
    made: list[JudgedClip] = []
    for clip in sorted(clips, key=lambda clip: (clip.judged[0].verdict.at_us, clip.name)):
        held = hold_out and clip.unit not in learned_before and chosen(clip.unit)
        made.append(replace(clip, watched=replace(clip.watched, role="test" if held else "train")))
    return made


def _read(folder: Path) -> tuple[dict[str, list[Verdict]], list[str]]:
    """Return the verdicts of each clip, and messages about damaged files, which are logged."""
    if not os.path.lexists(folder):
        raise DataFolderError(f"{folder}: there is no such folder; the review page makes it with the first verdict")
    if not is_verdicts_folder(folder):
        raise DataFolderError(f"{folder}: is not a folder of verdicts that this version reads ({LAYOUT})")
    by_clip: dict[str, list[Verdict]] = {}
    damaged: list[str] = []
    for one in read_all(folder):
        if isinstance(one, Verdict):
            by_clip.setdefault(one.clip, []).append(one)
        else:
            damaged.append(str(one))
            logger.warning("%s: left out, not a valid verdict: %s", folder, one)
    return by_clip, damaged


def _videos(folder: Path, by_clip: dict[str, list[Verdict]]) -> tuple[list[SegmentedVideo], list[str]]:
    """Return the clips that can be opened, and messages about the verdicts on others."""
    videos: list[SegmentedVideo] = []
    left_out: list[str] = []
    for name in sorted(by_clip):
        path = folder / CLIPS / (name + CLIP_ENDINGS[0])
        try:
            frames, fps, size = video_facts(path)
        except FormatError as error:
            left_out += [f"{verdict.id}: {error}" for verdict in by_clip[name]]
        else:
            videos.append(SegmentedVideo(SOURCE, name, path, frames, fps, size, ()))
    return videos, left_out


def _inside(seen: Sightings, judged: Judged) -> NDArray[np.bool_]:
    verdict = judged.verdict
    return (seen.track == judged.track) & (seen.time_us >= verdict.first_us) & (seen.time_us < verdict.end_us)


def _labelled(video: WatchedVideo, judged: Sequence[Judged]) -> WatchedVideo:
    """Return the video with the actions that the verdicts say and exclude. Where they differ, the later one counts."""
    actions = tuple(sorted({one.action for one in judged}))
    action, excluded = np.full((2, len(video.seen)), -1, np.int64)
    for one in judged:
        rows, index = _inside(video.seen, one), actions.index(one.action)
        if one.verdict.truth is not None:
            action[rows], excluded[rows] = index, -1
        else:
            action[rows & (action == index)] = -1
            excluded[rows & (action < 0)] = index
    step = video.seen.step
    return replace(video, action=action[step], excluded=excluded[step], actions=actions)


def _fingerprint(clips: Sequence[JudgedClip], learned_before: frozenset[str]) -> str:
    digest = hashlib.sha256("".join(f"{unit}\n" for unit in sorted(learned_before)).encode())
    for clip in clips:
        digest.update(f"{clip.name} {clip.watched.role}\n".encode())
        for one in clip.judged:
            digest.update(b"%d " % one.track + msgspec.json.encode(one.verdict))
        digest.update(np.ascontiguousarray(clip.watched.seen.keypoints).tobytes())
    return digest.hexdigest()
