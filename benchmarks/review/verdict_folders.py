"""A folder of verdicts as the engine would keep it: clips with their results, and what was said of their events."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.review.stand_in import Judgement
from stages.checkpoint import Checkpoint
from stages.verdicts.verdict_file import Verdict
from stream.incidents.verdicts.verdict_folder import VerdictFolder
from stream.recording.clips import Clip, ClipEvent, clip_name
from stream.results import Action, Frame, ModelRef, Person
from stream.settings.incidents.verdicts import VerdictsConfig
from training.footage.segments.answered_film import AnsweredFilm, SeenPerson
from training.sources.watched_videos import WatchedVideo

BY = "labels"
"""Who gave the verdicts: no person, but labels in place of one."""
_FIRST_US = 1_790_000_000_000_000
_APART_US = 600_000_000
"""Capture time of the first clip, and from one clip to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class Reviewed:
    """A film with the verdicts on its events, and the video as the detector saw it."""

    watched: WatchedVideo
    film: AnsweredFilm
    verdicts: tuple[Judgement, ...]


def write_folder(folder: Path, reviewed: Sequence[Reviewed], checkpoint: Checkpoint, weights: str) -> int:
    """Write clips and verdicts as the engine does, and return the number of verdicts. Raises OSError.

    A film is one clip; without a verdict, it is left out. `weights`: `sha256:…` of the checkpoint that raised the
    events.
    """
    desk = VerdictFolder(folder, VerdictsConfig.model_validate({"budget": 1 << 40, "least_free": 0}))
    recorded = folder.with_name(folder.name + ".recorded")
    recorded.mkdir(parents=True, exist_ok=True)
    written = 0
    try:
        for number, one in enumerate(reviewed):
            if one.verdicts:
                clip = _write_clip(recorded, one, number, ModelRef(checkpoint.profile, weights, True))
                for verdict in _verdicts(one, clip, f"{checkpoint.profile} {weights}"):
                    desk.put(verdict, recorded)
                    written += 1
    finally:
        shutil.rmtree(recorded)
    return written


def camera_id(watched: WatchedVideo) -> str:
    """Return the id of a film's camera: each film has one."""
    return f"{watched.video.source}-{watched.video.name}"


def camera_of(clip: str) -> str:
    """Return the camera in a clip's name."""
    return clip.split("_")[1]


def shuffled(reviewed: Sequence[Reviewed], seed: int) -> list[Reviewed]:
    """Return the films with the truths of all verdicts exchanged at random, so that most teach a wrong action."""
    truths = [one.truth for film in reviewed for one in film.verdicts]
    order = iter(np.random.default_rng(seed).permutation(len(truths)).tolist())
    return [
        replace(film, verdicts=tuple(_said(one, truths[next(order)]) for one in film.verdicts)) for film in reviewed
    ]


def _said(one: Judgement, truth: str | None) -> Judgement:
    said = "wrong" if truth is None else "right" if truth == one.event.label else "really"
    return one._replace(said=said, truth=truth)


def _write_clip(recorded: Path, one: Reviewed, number: int, model: ModelRef) -> Clip:
    """Write a clip's three files as the recorder does, the description last, and return the description."""
    film, video = one.film, one.watched.video
    capture_us, times = _FIRST_US + number * _APART_US, _times(one)
    camera = camera_id(one.watched)
    name = clip_name(capture_us + times[one.verdicts[0].event.begin], camera, one.verdicts[0].event.label)
    source, path = video.path, recorded / f"{name}.mp4"
    try:
        os.link(source, path)
    except OSError:  # another disk, or a read-only one
        shutil.copyfile(source, path)
    lines = [*_results(one, camera, capture_us, times, model)]
    (recorded / f"{name}.jsonl").write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    clip = Clip(
        name=name,
        run=_run(video.path),
        camera=camera,
        epoch=1,
        events=[
            ClipEvent(
                track=judged.event.track,
                action=judged.event.label,
                score=_score(film, judged),
                capture_us=capture_us + times[judged.event.begin],
                media_time_us=times[judged.event.begin],
                end_media_time_us=times[judged.event.end],
                event=_id(video.path, place),
            )
            for place, judged in enumerate(one.verdicts)
        ],
        start_us=capture_us,
        end_us=capture_us + times[film.frames - 1],
        start_media_time_us=0,
        end_media_time_us=times[film.frames - 1],
        codec="h264",
        reencoded=False,
        frames=film.frames,
        results=len(lines),
        ended="complete",
        video_bytes=path.stat().st_size,
        written_us=capture_us + times[film.frames],
    )
    (recorded / f"{name}.json").write_bytes(msgspec.json.encode(clip))
    return clip


def _verdicts(one: Reviewed, clip: Clip, model: str) -> Iterator[Verdict]:
    times, film, video = _times(one), one.film, one.watched.video
    for place, judged in enumerate(one.verdicts):
        event, said = judged.event, judged.said
        if said == "skip":
            raise ValueError(f"{film.name}: an event that is skipped has no verdict to write")
        yield Verdict(
            id=_id(video.path, place),
            clip=clip.name,
            camera=clip.camera,
            epoch=1,
            track=event.track,
            said=event.label,
            verdict=said,
            truth=judged.truth,
            first_us=times[event.begin],
            end_us=times[event.end],
            size=video.size,
            boxes=[
                (times[frame], *person.box)
                for frame in range(event.begin, event.end)
                for person in film.answers.get(frame, ())
                if person.track == event.track
            ],
            model=model,
            by=BY,
            at_us=clip.written_us,
        )


def _results(one: Reviewed, camera: str, capture_us: int, times: Sequence[int], model: ModelRef) -> Iterator[Frame]:
    for frame in range(one.film.frames):
        at_us = capture_us + times[frame]
        yield Frame(
            run=_run(one.watched.video.path),
            seq=frame,
            camera=camera,
            epoch=1,
            frame=frame,
            capture_us=at_us,
            clock="media",
            media_time_us=times[frame],
            published_us=at_us,
            size=one.watched.video.size,
            model=model,
            people=[_person(person, at_us) for person in one.film.answers.get(frame, ())],
            objects=[],
        )


def _person(person: SeenPerson, at_us: int) -> Person:
    action = None
    if person.smoothed is not None:
        action = Action(person.smoothed, person.smoothed_score, at_us, [(person.smoothed, person.smoothed_score)])
    return Person(person.track, person.box, 1.0, action, [])


def _times(one: Reviewed) -> list[int]:
    """Return the media time of each frame and of the end, µs: as the detector had it, between its frames evenly."""
    seen, film = one.watched.seen, one.film
    frames, first = np.unique(seen.frame, return_index=True)
    step = 1e6 / film.fps
    known, at = [0, *frames.tolist()], [0, *seen.time_us[first].tolist()]
    times = np.interp(np.arange(film.frames), known, at)
    late = np.arange(film.frames) > known[-1]
    times[late] = at[-1] + (np.arange(film.frames)[late] - known[-1]) * step
    return [*np.round(times).astype(int).tolist(), round(float(times[-1]) + step)]


def _score(film: AnsweredFilm, judged: Judgement) -> float:
    event = judged.event
    return next(one.smoothed_score for one in film.answers[event.begin] if one.track == event.track)


def _id(video: Path, place: int) -> str:
    return f"e{_run(video)[:8]}-{place}"


def _run(video: Path) -> str:
    """Return an engine's run for a video: 32 hexadecimal digits."""
    return hashlib.sha256(str(Path(*video.parts[-2:])).encode()).hexdigest()[:32]
