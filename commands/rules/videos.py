"""Analysing videos for a trial of rules: the engine writes a results file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from commands.ending import print_error

if TYPE_CHECKING:
    from stream.config import Config


class Video(NamedTuple):
    """A video, the camera id of its results, and the configured camera whose settings it has ("": none)."""

    source: str
    name: str
    camera: str = ""


def analyse(
    videos: Sequence[Video], config: Path | None, profile: str | None, results: Path, device: str | None = None
) -> None:
    """Analyse videos as fast as the machine can. Ends the command if the engine fails or is stopped.

    Other cameras of the configuration are not opened. Raises `ConfigError`.
    """
    from commands.run import run_engine

    if code := run_engine(settings_of(videos, config, profile, results, device)):
        print_error("the videos could not be analysed")
        raise typer.Exit(code)


def settings_of(
    videos: Sequence[Video], config: Path | None, profile: str | None, results: Path, device: str | None = None
) -> Config:
    """Return the settings of the engine that analyses the videos. Raises `ConfigError`."""
    from stream.config import with_cameras
    from stream.settings.config_error import ConfigError
    from stream.settings.source_address import SourceAddress

    settings = quiet_settings(config, profile, results, device)
    configured = {camera.id: camera.model_dump() for camera in settings.cameras}
    cameras: list[dict[str, Any]] = []
    for video in videos:
        own = {"id": video.name, "source": SourceAddress.parse(video.source), "pace": "fast", "enabled": True}
        cameras.append(configured.get(video.camera, {}) | own)
    settings = with_cameras(settings, cameras, str(config or "configuration"))
    for camera in settings.cameras:
        if not camera.source.traits.finite:
            raise ConfigError(f"{camera.source}: has no end; rules can be tried on videos, results files and archives")
    return settings


def quiet_settings(config: Path | None, profile: str | None, results: Path, device: str | None = None) -> Config:
    """Return the settings of an engine that only analyses videos, and keeps nothing but `results`.

    `config` gives its model and cameras. Raises `ConfigError`.
    """
    from stream.config import load

    model = {"profile": profile, "device": device}
    overrides: dict[str, Any] = {
        "results": results,
        "once": True,
        "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
        "http": {"bind": None},
        "recording": {"directory": None},
        "incidents": {"directory": None},
        "verdicts": {"directory": None},
        "state_file": None,
        "rules_file": None,
        "alerts_file": None,
        "model": {name: value for name, value in model.items() if value is not None},
    }
    return load(config, overrides)
