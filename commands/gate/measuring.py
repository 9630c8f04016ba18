"""Everything that the gate measures of both checkpoints: verdicts, alarms, footage, and generated sequences.

Alarms of a rules file on videos: the engine analyses them with a checkpoint, and the rules are tried on the results.

Each video is a camera of its own. A video of a known camera has its zones and lines, and the rules for it; `hours` are
ignored, because videos are analysed at another time than they were recorded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from commands.rules.trial import Sources, run_trial
from commands.rules.videos import Video, analyse, quiet_settings
from stages.checkpoint import Checkpoint
from stages.profiles import load_checkpoint, load_model
from stages.third_party import weights
from stream.backtest.selection import Selection
from stream.rules_file import check_names, load_rules, stored_names
from stream.settings.engine import CameraConfig
from stream.settings.rules import RuleConfig, RulesConfig
from stream.settings.values import CAMERA_ID
from training.console import progress_bar
from training.footage.judging import Judged
from training.footage.labels import OTHER
from training.gate.answers import (
    EACH,
    Raised,
    alarms,
    facts,
    judged_verdicts,
    labelled_people,
    raised_events,
    sequences_of_actions,
)
from training.gate.decision import BACK_TEST, CONFIRMED, Alarms, LabelledPerson, Measured
from training.kinetics_tps.video_roles import Role
from training.run.learning.warm_start import from_keypoints_alone
from training.scoring.clips import packaged_labels, score_clip
from training.scoring.film_sets import ScoringError, answered_film
from training.sources.formats.body import FormatError
from training.sources.formats.videos import video_facts
from training.sources.segmented_videos import EXTENSIONS, SegmentedVideo
from training.sources.terms import DataFolderError
from training.sources.verdicts.verdict_clips import JudgedClip, VerdictClips, learned_units, open_verdicts
from training.sources.watched_videos import WatchedVideo, watch_segmented

AT_ONCE = 8
"""Videos that an engine analyses together."""


@dataclass(frozen=True, slots=True)
class TrialVideo:
    """A video to try rules on. `camera`: the id of the camera that it is of, "" if that is not known."""

    path: Path
    camera: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """The alerts on videos, and the seconds of results of each video that a rule applies to."""

    raised: list[Raised]
    seconds: list[float]


def try_rules(
    rules_file: Path, config: Path | None, videos: Sequence[TrialVideo], profile: str, device: str, folder: Path
) -> Trial:
    """Return the alerts that the rules raise with a checkpoint on the videos that they apply to.

    Results are written into `folder`. `config`: the cameras in it give the videos of their id their settings. Raises
    `ConfigError` for what cannot be used, also for videos without any result, and ends the command if the engine fails
    or is stopped.
    """
    loaded = [] if config is None else quiet_settings(config, profile, folder / "none.jsonl").cameras
    configured = {camera.id: camera for camera in loaded}
    rules = load_rules(rules_file)
    # A rule for a zone or line that no video's camera has can never raise an alert: its video would count as quiet.
    applied = {
        name: [at for at, video in enumerate(videos) if _applies(rule, video, configured)]
        for name, rule in rules.rules.items()
    }
    watched = sorted({at for places in applied.values() for at in places})
    if not watched:
        return Trial([], [])
    names = {at: f"video-{at}" for at in watched}
    files: list[Path] = []
    for first in range(0, len(watched), AT_ONCE):
        files.append(folder / f"{first}.jsonl")
        some = watched[first : first + AT_ONCE]
        named = [Video(str(videos[at].path.absolute()), names[at], videos[at].camera) for at in some]
        analyse(named, config, profile, files[-1], device)
    limited = _limited(rules, {name: [names[at] for at in places] for name, places in applied.items()})
    # Names are checked before: OLD need not know all that the rules do.
    trial = run_trial([(rules_file, limited)], Sources([], [], files), Selection(), profile="free")
    zones = {names[at]: _places(videos[at], configured)[0] for at in watched}
    raised: list[Raised] = []
    for one in trial.files[0].raised:
        camera = one.began.camera
        if (zone := one.began.zone) is not None and zone not in zones[camera]:  # of a list, the camera has others
            continue
        frames = trial.segments[camera][0].frames
        first_us, last_us = int(frames.capture_us[0]), int(frames.capture_us[-1])
        what = one.began.rule if one.place is None else f"{one.began.rule} ({one.place})"
        begin_us, end_us = one.began.since_us - first_us, one.ended_us(last_us) - first_us
        raised.append(Raised(camera, what, one.began.track, begin_us / 1e6, end_us / 1e6))
    return Trial(raised, [3600 * one.hours for one in trial.coverage])


def _applies(rule: RuleConfig, video: TrialVideo, configured: Mapping[str, CameraConfig]) -> bool:
    if rule.cameras is not None and video.camera not in rule.cameras:
        return False
    zones, lines = _places(video, configured)
    return (
        (not rule.zones or any(zone in zones for zone in rule.zones))
        and all(zone is None or zone in zones for zone in (rule.enters, rule.leaves))
        and (rule.crosses is None or rule.crosses in lines)
    )


def _places(video: TrialVideo, configured: Mapping[str, CameraConfig]) -> tuple[Collection[str], Collection[str]]:
    """Return the names of the zones and of the lines of the video's camera."""
    camera = configured.get(video.camera)
    return ((), ()) if camera is None else (camera.zones.keys(), camera.lines.keys())


def _limited(rules: RulesConfig, applied: Mapping[str, list[str]]) -> RulesConfig:
    """Return the rules for the videos that they apply to, at any hour."""
    kept = {
        name: rule.model_copy(update={"hours": None, "cameras": applied[name]})
        for name, rule in rules.rules.items()
        if applied[name]
    }
    return rules.model_copy(update={"rules": kept})


@dataclass(frozen=True, slots=True)
class Request:
    """What to compare, and on what. `old` and `new`: profiles or paths of checkpoints.

    `videos`: videos for the back-test, or folders of them, as `[ID=]PATH`. `each`: generated sequences of an action.
    `cache`: the folder of watched videos, None for the user's.
    """

    old: str
    new: str
    data: Path
    footage: bool = False
    rules: Path | None = None
    config: Path | None = None
    videos: Sequence[str] = ()
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


class _Video(NamedTuple):
    """A video of the back-test, and the id of its camera, "" if that is not known."""

    video: SegmentedVideo
    camera: str


def measure(request: Request) -> Comparison:
    """Compare the checkpoints.

    Raises `WeightsError` for a checkpoint that cannot be read and for missing weights or footage, `ScoringError` for
    one that cannot be compared and for a checkpoint with itself, `DataFolderError` for verdicts and videos that cannot
    be used, `ConfigError` for rules and configurations, and `FootageError`.
    """
    loaded = _Pair(*(load_checkpoint(name, request.device) for name in (request.old, request.new)))
    if loaded.old.sha256 == loaded.new.sha256:
        raise ScoringError(f"{request.old} and {request.new} are the same checkpoint: there is nothing to compare")
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
    unseen, why_none = _unseen(clips, pair.new)
    measured = _verdicts(unseen, why_none, pair)
    back_test, why = _back_test(request, videos, pair)
    measured = replace(measured, alarms=back_test, missing={**measured.missing, BACK_TEST: why})
    footage = _footage(request) if request.footage else []
    with progress_bar("generating sequences") as progress:
        sequences = sequences_of_actions(*pair, motions, each=request.each, progress=progress)
    measured = replace(measured, footage=footage, sequences=sequences)
    return Comparison(measured, loaded.old.sha256, loaded.new.sha256, _conditions(request, clips, unseen, videos))


def _keypoints_alone(name: str, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint without the weights that read regions, which verdicts' clips are not watched for."""
    if checkpoint.detector is not None or checkpoint.features is not None or not checkpoint.network.config.geometry:
        raise ScoringError(
            f"{name}: has its own detector or reads no keypoints; the gate compares checkpoints that read "
            "MoveNet's keypoints, such as edge"
        )
    return from_keypoints_alone(checkpoint)


def _videos(given: Sequence[str]) -> list[_Video]:
    found: list[_Video] = []
    for text in given:
        camera, equals, rest = text.partition("=")
        if not equals or Path(text).exists() or not CAMERA_ID.fullmatch(camera):
            camera, rest = "", text
        path = Path(rest)
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
            found.append(_Video(SegmentedVideo("videos", str(file), file, frames, fps, size, ()), camera))
    return found


def _watched(videos: Sequence[_Video], request: Request) -> list[WatchedVideo]:
    with progress_bar("watching videos") as progress:
        roles: list[Role] = ["test"] * len(videos)
        watched, skipped = watch_segmented(
            [one.video for one in videos], roles, workers=request.workers, progress=progress, cache=request.cache
        )
    for path, message in skipped.items():
        raise DataFolderError(f"--videos {path}: {message}")
    return watched


def _unseen(clips: VerdictClips, new: Checkpoint) -> tuple[list[JudgedClip], str]:
    """Return the clips that NEW, and the checkpoints that it was trained from, did not learn from; if none, why."""
    try:
        learned = learned_units(new.metrics)
    except ValueError as error:
        return [], str(error)
    unseen = [clip for clip in clips.clips if clip.unit not in learned]
    return unseen, "" if unseen else "NEW learned from all clips: judge events that are newer than its training"


def _verdicts(unseen: Sequence[JudgedClip], why_none: str, pair: _Pair) -> Measured:
    # Each of a video's people is seen alike by both, because the detector and the tracker are the same.
    old, new = ({clip.name: answered_film(one, clip.watched) for clip in unseen} for one in pair)
    known = {*pair.old.vocabulary.actions, *pair.new.vocabulary.actions}
    found = judged_verdicts(unseen, old, new, known=known)
    missing: dict[str, str] = {}
    if not unseen:
        missing[CONFIRMED] = why_none
    elif any(fact.true for clip in unseen for fact in facts(clip)):
        missing[CONFIRMED] = "the confirmed actions are none of the checkpoints'"
    raised = [
        [event for clip in unseen for event in raised_events(clip.name, films[clip.name], _alarming(pair), facts(clip))]
        for films in (old, new)
    ]
    what = "events outside confirmed ones"
    in_clips = alarms(what, [film.seconds for film in old.values()], *raised) if unseen else None
    return Measured(found.confirmed, found.wrong, in_clips=in_clips, missing=missing)


def _alarming(pair: _Pair) -> set[str]:
    """Return the actions of which events are alarms, without rules: also those that only NEW has."""
    return set(pair.new.vocabulary.actions) - {OTHER}


def _back_test(request: Request, videos: Sequence[_Video], pair: _Pair) -> tuple[Alarms | None, str]:
    """Return the alarms on the videos, or None and why they were not counted."""
    if not videos:
        return None, "give --videos"
    if request.rules is not None:
        return _alerts(request, request.rules, videos)
    watched = _watched(videos, request)
    raised: list[list[Raised]] = []
    for checkpoint in pair:
        films = {str(one.video.path): answered_film(checkpoint, one) for one in watched}
        raised.append([one for path, film in films.items() for one in raised_events(path, film, _alarming(pair))])
    seconds = [one.video.frames / one.video.fps for one in watched]
    return alarms("events of NEW's actions", seconds, *raised), ""


def _alerts(request: Request, rules: Path, videos: Sequence[_Video]) -> tuple[Alarms | None, str]:
    tried: list[Trial] = []
    given = [TrialVideo(one.video.path, one.camera) for one in videos]
    for profile in (request.old, request.new):
        with TemporaryDirectory() as folder:
            tried.append(try_rules(rules, request.config, given, profile, request.device, Path(folder)))
    old, new = tried
    if not new.seconds:
        return None, "no rule applies to a video; --videos ID=PATH names its camera, and --config has zones and lines"
    return alarms(f"alerts of {rules.name}", new.seconds, old.raised, new.raised), ""


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
                progress(len(answered) * len(clips) + clips.index(labellers) + 1, 2 * len(clips))
            answered.append(judged)
    return labelled_people(*answered)


def _conditions(
    request: Request, clips: VerdictClips, unseen: Sequence[JudgedClip], videos: Sequence[_Video]
) -> dict[str, Any]:
    rules = None if request.rules is None else hashlib.sha256(request.rules.read_bytes()).hexdigest()
    return {
        "data": request.data.name,
        "fingerprint": clips.fingerprint,
        "verdicts": clips.counts(),
        "clips": len(clips.clips),
        "clips_not_learned": len(unseen),
        "left_out": list(clips.left_out),
        "damaged": list(clips.damaged),
        "footage": request.footage,
        "rules": rules,
        "videos": [one.video.path.name for one in videos],
        "sequences_of_an_action": request.each,
    }
