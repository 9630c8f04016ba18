"""Alarms of a rules file on videos: the engine analyses them with a checkpoint, and the rules are tried on the results.

Each video is a camera of its own. Rules for some cameras apply to the videos of these cameras; `hours` are ignored,
because videos are analysed at another time than they were recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from commands.ending import print_error
from commands.rules.trial import Sources, Trial, run_trial
from commands.rules.videos import quiet_settings
from stream.backtest.selection import Selection
from stream.config import Config, with_cameras
from stream.rules_file import load_rules
from stream.settings.config_error import ConfigError
from stream.settings.rules import RulesConfig
from stream.settings.source_address import SourceAddress

AT_ONCE = 8
"""Videos that an engine analyses together."""


@dataclass(frozen=True, slots=True)
class TrialVideo:
    """A video to try rules on. `confirmed`: actions that people confirmed: label, begin and end in µs of the video.

    `camera`: the id of the camera that it is of, "" if that is not known.
    """

    path: Path
    camera: str = ""
    confirmed: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmCount:
    """Alerts outside confirmed spans, in `hours` of results."""

    alerts: int
    hours: float


def count_alarms(
    rules_file: Path, config: Path | None, videos: Sequence[TrialVideo], profile: str, device: str, folder: Path
) -> AlarmCount:
    """Return the alerts that the rules raise on the videos with a checkpoint. Results are written into `folder`.

    `config`: the cameras in it give the videos of their id their settings. Raises `ConfigError` for what cannot be
    used, also for videos without any result, and ends the command if the engine fails or is stopped.
    """
    named = {f"video-{number}": video for number, video in enumerate(videos)}
    rules = _on_videos(load_rules(rules_file), named)
    files: list[Path] = []
    for first in range(0, len(named), AT_ONCE):
        files.append(folder / f"{first}.jsonl")
        some = dict(list(named.items())[first : first + AT_ONCE])
        _analyse(_settings(some, config, profile, device, files[-1]))
    # Names are checked before: OLD need not know all that the rules do.
    trial = run_trial([(rules_file, rules)], Sources([], [], files), Selection(), profile="free")
    return AlarmCount(_outside(trial, named), trial.hours_of(None))


def _analyse(settings: Config) -> None:
    from commands.run import run_engine

    if code := run_engine(settings):
        print_error("the videos could not be analysed")
        raise typer.Exit(code)


def _settings(videos: dict[str, TrialVideo], config: Path | None, profile: str, device: str, results: Path) -> Config:
    settings = quiet_settings(config, profile, results, device)
    configured = {camera.id: camera.model_dump() for camera in settings.cameras}
    cameras = [
        configured.get(video.camera, {})
        | {"id": name, "source": SourceAddress.parse(str(video.path.absolute())), "pace": "fast"}
        for name, video in videos.items()
    ]
    return with_cameras(settings, cameras, str(config or "configuration"))


def _on_videos(rules: RulesConfig, videos: dict[str, TrialVideo]) -> RulesConfig:
    """Return the rules for the videos of their cameras, at any hour."""
    kept = {
        name: rule.model_copy(update={"hours": None, "cameras": None if rule.cameras is None else cameras})
        for name, rule in rules.rules.items()
        if (cameras := _of_cameras(videos, rule.cameras))
    }
    if not kept:
        raise ConfigError("--rules: no rule is for a camera of these videos")
    return rules.model_copy(update={"rules": kept})


def _of_cameras(videos: dict[str, TrialVideo], cameras: Collection[str] | None) -> list[str]:
    return [name for name, video in videos.items() if cameras is None or video.camera in cameras]


def _outside(trial: Trial, videos: dict[str, TrialVideo]) -> int:
    """Return the number of alerts that overlap no confirmed span of their action, or any if they have no action."""
    counted = 0
    for raised in trial.files[0].raised:
        camera = raised.began.camera
        frames = trial.segments[camera][0].frames
        first_us, end_us = int(frames.capture_us[0]), raised.ended_us(int(frames.capture_us[-1]))
        begin, end = raised.began.since_us - first_us, end_us - first_us
        counted += not any(
            begin < stop and end >= start and raised.began.action in (None, label)
            for label, start, stop in videos[camera].confirmed
        )
    return counted
