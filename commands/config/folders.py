"""What would keep an engine from writing its files on this machine. Writes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from stream import output_file
from stream.cameras.state_file import CameraStateFile
from stream.config import Config, with_cameras


def problems(config: Config) -> Iterator[str]:
    """Yield which folders and files cannot be written, each with its setting."""
    folders = {
        "recording.directory": config.recording.directory,
        "incidents.directory": config.incidents.directory,
        "verdicts.directory": config.verdicts.directory,
        "profiling_directory": config.profiling_directory,
    }
    for setting, folder in folders.items():
        if folder is not None and (problem := no_files_in(folder)) is not None:
            yield f"{setting}: {problem}"
    for setting in ("results", "state_file", "alerts_file"):
        file: Path | None = getattr(config, setting)
        if file is None:
            continue
        if (problem := no_files_in(file.parent)) is not None:
            yield f"{setting}: {problem}"
            continue
        try:
            output_file.check_regular(file)
        except OSError as error:
            yield f"{setting}: {file} can't be written: {error.strerror}"


def with_kept_cameras(config: Config) -> Config:
    """Return the configuration with the cameras of its state file, if there is one. Raises `ConfigError`."""
    if config.state_file is None or not config.state_file.is_file():
        return config
    kept = CameraStateFile(config.state_file, config.cameras).load()
    return with_cameras(config, kept, f"state_file: {config.state_file}")


def no_files_in(folder: Path) -> str | None:
    """Return why no file can be created in a folder, which need not exist, as a sentence without its end."""
    try:
        nearest = next(parent for parent in (folder.resolve(), *folder.resolve().parents) if parent.exists())
    except OSError as error:  # for example because the name is too long
        return f"no file can be created in {folder}: {error.strerror}"
    try:
        tempfile.TemporaryFile(dir=nearest).close()
    except OSError as error:
        return f"no file can be created in {nearest}: {error.strerror}"
    return None
