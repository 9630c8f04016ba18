"""Provenance of a checkpoint: commit, versions, and the command that makes it again."""

from __future__ import annotations

import platform
import shlex
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from training.settings.run_config import TrainingConfig

PACKAGES = ("partstream", "torch", "numpy", "scipy")


def provenance(device: torch.device) -> dict[str, Any]:
    """Return `commit` (None outside a git working tree; `-dirty` with changed files), `versions` and `device`."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "commit": commit(),
        "versions": versions,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def commit() -> str | None:
    """Return the commit of this code's working tree, None without one or without git."""
    # An installed copy may lie in another project's working tree; this file is not tracked there.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def portable_config(config: TrainingConfig) -> dict[str, Any]:
    """Return the configuration for a checkpoint, with absolute paths reduced to their last name."""
    content = config.model_dump(mode="json")
    places: tuple[tuple[dict[str, Any], str], ...] = (
        (content["data"], "folder"),
        (content["data"]["recorded"], "folder"),
        (content["data"]["examples"], "folder"),
        (content["data"]["verdicts"], "folder"),
        (content, "start"),
        (content["model"], "detector"),
        (content["model"]["vgg"], "weights"),
    )
    for section, name in places:
        if section[name] is not None and Path(section[name]).is_absolute():
            section[name] = Path(section[name]).name
    return content


def _git(*words: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip() or None


def training_command(config: TrainingConfig, out: Path, file: Path | None = None) -> str:
    """Return the command that repeats the run, with file names only; the checkpoint has the configuration."""
    words = ["partstream", "train", "--profile", config.profile]
    if file is not None:
        words += ["--config", file.name]
    clips = config.data.clips
    data = config.data.folder if clips is None else clips.folder
    if data is not None:
        words += ["--data", Path(data).name]
    if config.data.recorded.folder is not None:
        words += ["--recorded", Path(config.data.recorded.folder).name]
    if config.start is not None:
        words += ["--from", Path(config.start).name]
    words += ["--steps", str(config.steps), "--seed", str(config.seed), "--device", config.device, "--out", out.name]
    # The names of these files may be no UTF-8, which a checkpoint's metadata is.
    return shlex.join(words).encode("utf-8", "backslashreplace").decode()
