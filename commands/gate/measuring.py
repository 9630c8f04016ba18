"""Everything that the gate measures of both checkpoints: verdicts, alarms, footage, and generated sequences."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from commands.gate.trial import TrialVideo, count_alarms
from stages.checkpoint import Checkpoint
from stages.profiles import load_checkpoint, load_model
from stages.third_party import weights
from stream.rules_file import check_names, load_rules, stored_names
from training.console.progress_bar import progress_bar
from training.footage.runs import packaged_labels, score_clip
from training.footage.scoring import Judged
from training.footage.segments.answered_film import AnsweredFilm
from training.gate.decision import CONFIRMED, REPEATED, Alarms, LabelledPerson, Measured
from training.gate.footage import labelled_people
from training.gate.forgetting import EACH, sequences_of_actions
from training.gate.verdict_answers import confirmed_spans, judged_verdicts, unconfirmed_events
from training.kinetics_tps.video_roles import Role
from training.run.validation.without_regions import from_keypoints_alone
from training.scoring.film_answers import ScoringError, answered_film
from training.sources.formats.reading import FormatError
from training.sources.formats.videos import video_facts
from training.sources.segmented_videos import EXTENSIONS, SegmentedVideo
from training.sources.terms import DataFolderError
from training.sources.verdicts.verdict_clips import VerdictClips, open_verdicts
from training.sources.watched_videos import WatchedVideo, watch_segmented


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare, and on what. `old` and `new`: profiles or paths of checkpoints.

    `videos`: further videos, for the back-test, or folders of them. `each`: generated sequences of an action. `cache`:
    the folder of watched videos, None for the user's.
    """

    old: str
    new: str
    data: Path
    footage: bool = False
    rules: Path | None = None
    config: Path | None = None
    videos: Sequence[Path] = ()
    device: str = "cpu"
    workers: int = 1
    each: int = EACH
    cache: Path | None = None


class Comparison(NamedTuple):
    """What was measured, of which weights (`sha256:…`), and on what material, as plain values."""

    measured: Measured
    old: str
    new: str
    conditions: dict[str, Any]


class _Pair(NamedTuple):
    old: Checkpoint
    new: Checkpoint


def measure(request: Request) -> Comparison:
    """Compare the checkpoints.

    Raises `WeightsError` for a checkpoint that cannot be read and for missing weights or footage, `ScoringError` for
    one that cannot be compared, `DataFolderError` for verdicts and videos that cannot be used, `ConfigError` for rules
    and configurations, and `FootageError`.
    """
    loaded = _Pair(*(load_checkpoint(name, request.device) for name in (request.old, request.new)))
    pair = _Pair(*(_keypoints_alone(name, one) for name, one in zip((request.old, request.new), loaded, strict=True)))
    if request.rules is not None:
        check_names(load_rules(request.rules), stored_names(request.new), str(request.rules))
    if request.footage:  # a missing file is an error before the work
        for labellers in packaged_labels().values():
            weights.locate(labellers[0].asset, labellers[0].file)
    motions = weights.locate("motion")
    videos = _videos(request.videos)
    with progress_bar("watching clips") as progress:
        clips = open_verdicts(request.data, workers=request.workers, progress=progress, cache=request.cache)
    further = _watched(videos, request)
    # Each of a video's people is seen alike by both, because the detector and the tracker are the same.
    films = [
        {one.video.path: answered_film(checkpoint, one) for one in (*(clip.watched for clip in clips.clips), *further)}
        for checkpoint in pair
    ]
    measured = _verdicts(clips, pair, *films)
    measured = replace(measured, alarms=_alarms(request, clips, further, *films))
    footage = _footage(request) if request.footage else []
    with progress_bar("generating sequences") as progress:
        sequences = sequences_of_actions(*pair, motions, each=request.each, progress=progress)
    measured = replace(measured, footage=footage, sequences=sequences)
    return Comparison(measured, loaded.old.sha256, loaded.new.sha256, _conditions(request, clips, further))


def _keypoints_alone(name: str, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint without the weights that read regions, which verdicts' clips are not watched for."""
    if checkpoint.detector is not None or checkpoint.features is not None or not checkpoint.network.config.geometry:
        raise ScoringError(
            f"{name}: has its own detector or reads no keypoints; the gate compares checkpoints that read "
            "MoveNet's keypoints, such as edge"
        )
    return from_keypoints_alone(checkpoint)


def _videos(paths: Sequence[Path]) -> list[SegmentedVideo]:
    found: list[SegmentedVideo] = []
    for path in paths:
        files = [path]
        if path.is_dir():
            files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in EXTENSIONS and file.is_file()]
            if not files:
                raise DataFolderError(f"--videos {path}: holds no video ({', '.join(EXTENSIONS)})")
        for file in files:
            try:
                frames, fps, size = video_facts(file)
            except FormatError as error:
                raise DataFolderError(f"--videos {error}") from None
            found.append(SegmentedVideo("videos", str(file), file, frames, fps, size, ()))
    return found


def _watched(videos: Sequence[SegmentedVideo], request: Request) -> list[WatchedVideo]:
    if not videos:
        return []
    with progress_bar("watching videos") as progress:
        roles: list[Role] = ["test"] * len(videos)
        watched, skipped = watch_segmented(
            videos, roles, workers=request.workers, progress=progress, cache=request.cache
        )
    for path, message in skipped.items():
        raise DataFolderError(f"--videos {path}: {message}")
    return watched


Films = Mapping[Path, AnsweredFilm]
"""A checkpoint's answers by the video's file."""


def _verdicts(clips: VerdictClips, pair: _Pair, old: Films, new: Films) -> Measured:
    known = {*pair.old.vocabulary.actions, *pair.new.vocabulary.actions}
    named = [{clip.name: films[clip.watched.video.path] for clip in clips.clips} for films in (old, new)]
    found = judged_verdicts(clips.clips, *named, known=known, held_out=_held_out(clips, pair.new))
    reason = "neither checkpoint has the verdicts' actions"
    said = {one.verdict.verdict for _, one in clips.verdicts()}
    missing = {CONFIRMED: reason} if said & {"right", "really"} else {}
    missing |= {REPEATED: reason} if said & {"wrong", "really"} else {}
    return Measured(found.confirmed, found.wrong, missing=missing)


def _held_out(clips: VerdictClips, new: Checkpoint) -> set[str]:
    """Return the names of clips that NEW did not learn from, by what it recorded, else by the folder's division."""
    recorded: Any = new.metrics.get("verdicts")
    names = recorded.get("held_out_clips") if isinstance(recorded, dict) else None  # pyright: ignore
    if isinstance(names, list):
        return {str(name) for name in names}  # pyright: ignore
    return {clip.name for clip in clips.clips if clip.held_out}


def _alarms(
    request: Request, clips: VerdictClips, further: Sequence[WatchedVideo], old: Films, new: Films
) -> Alarms | None:
    if request.rules is not None:
        videos = [*_trial_videos(clips), *(TrialVideo(one.video.path) for one in further)]
        counts = list[int]()
        hours = 0.0
        for profile in (request.old, request.new):
            with TemporaryDirectory() as folder:
                counted = count_alarms(request.rules, request.config, videos, profile, request.device, Path(folder))
            counts.append(counted.alerts)
            hours = counted.hours
        return Alarms(f"alerts of {request.rules.name}", hours, *counts)
    labels = sorted({one.verdict.said for _, one in clips.verdicts()})
    confirmed = {clip.watched.video.path: confirmed_spans(clip) for clip in clips.clips}
    counts = [
        sum(unconfirmed_events(film, labels, confirmed.get(path, ())) for path, film in films.items())
        for films in (old, new)
    ]
    return Alarms(f"events of {', '.join(labels)}", sum(film.seconds for film in old.values()) / 3600, *counts)


def _trial_videos(clips: VerdictClips) -> list[TrialVideo]:
    return [
        TrialVideo(
            clip.watched.video.path,
            clip.judged[0].verdict.camera,
            tuple(
                (one.verdict.truth, one.verdict.first_us, one.verdict.end_us)
                for one in clip.judged
                if one.verdict.truth is not None
            ),
        )
        for clip in clips.clips
    ]


def _footage(request: Request) -> list[LabelledPerson]:
    """Return both checkpoints' answers on the development halves of the packaged footage, by its first labeller."""
    clips = list(packaged_labels().values())
    answered: list[list[Judged]] = []
    with progress_bar("scoring footage") as progress:
        for profile in (request.old, request.new):
            model = load_model(profile, request.device)
            judged: list[Judged] = []
            for labellers in clips:
                for score in score_clip(model, labellers[:1], ["development"]):
                    judged += score.judged
                _report(progress, len(answered) * len(clips) + clips.index(labellers) + 1, 2 * len(clips))
            answered.append(judged)
    return labelled_people(*answered)


def _report(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _conditions(request: Request, clips: VerdictClips, further: Sequence[WatchedVideo]) -> dict[str, Any]:
    rules = None if request.rules is None else hashlib.sha256(request.rules.read_bytes()).hexdigest()
    return {
        "data": request.data.name,
        "fingerprint": clips.fingerprint,
        "verdicts": clips.counts(),
        "clips": len(clips.clips),
        "left_out": list(clips.left_out),
        "damaged": list(clips.damaged),
        "footage": request.footage,
        "rules": rules,
        "videos": [one.video.path.name for one in further],
        "sequences_of_an_action": request.each,
    }
