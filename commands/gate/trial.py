"""Alarms of a rules file on videos: the engine analyses them with a checkpoint, and the rules are tried on the results.

Each video is a camera of its own. A video of a known camera has its zones and lines, and the rules for it; `hours` are
ignored, because videos are analysed at another time than they were recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from commands.rules.trial import Sources, run_trial
from commands.rules.videos import Video, analyse, quiet_settings
from stream.backtest.selection import Selection
from stream.rules_file import load_rules
from stream.settings.engine import CameraConfig
from stream.settings.rules import RuleConfig, RulesConfig
from training.gate.answers import Raised

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
