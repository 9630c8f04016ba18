"""Analysing videos for a trial of rules: the engine writes a results file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commands.configuration import parse_source

if TYPE_CHECKING:
    from stream.config import Config


def analyse(videos: Sequence[str], config: Path | None, profile: str | None, results: Path) -> int:
    """Analyse `[ID=]VIDEO` as cameras, as fast as the machine can, and return the engine's exit code.

    A camera of the configuration with such an id gives its settings; its other cameras are not opened. Raises
    `ConfigError`.
    """
    from commands.run import run_engine

    return run_engine(settings_of(videos, config, profile, results))


def settings_of(videos: Sequence[str], config: Path | None, profile: str | None, results: Path) -> Config:
    """Return the settings of the engine that analyses the videos. Raises `ConfigError`."""
    from stream.config import with_cameras
    from stream.settings.config_error import ConfigError

    settings = quiet_settings(config, profile, results)
    configured = {camera.id: camera.model_dump() for camera in settings.cameras}
    cameras = [parse_source(video, number) for number, video in enumerate(videos)]
    cameras = [configured.get(camera["id"], {}) | camera | {"pace": "fast"} for camera in cameras]
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
