"""Where a checkpoint comes from: commit, versions, and the command that makes it again."""

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
    """`commit` (None outside a git working tree; `-dirty` where files were changed), `versions`, `device`."""
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
    """The commit of the working tree that this code lies in, None where there is none or no git."""
    # An installed copy may lie in somebody else's working tree: then this file isn't tracked, and the commit not ours.
    if _git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def told_config(config: TrainingConfig) -> dict[str, Any]:
    """The configuration as a checkpoint tells it: of absolute paths only the last name, without the machine's."""
    content = config.model_dump(mode="json")
    for section, name in ((content["data"], "folder"), (content, "start"), (content["model"], "detector"),
                          (content["model"]["vgg"], "weights")):  # fmt: skip
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
    """The command that repeats the run. Names without their folders; the configuration itself is in the checkpoint."""
    words = ["run_stream.py", "train", "--profile", config.profile]
    if file is not None:
        words += ["--config", file.name]
    if config.data.folder is not None:
        words += ["--data", Path(config.data.folder).name]
    if config.start is not None:
        words += ["--from", Path(config.start).name]
    words += ["--steps", str(config.steps), "--seed", str(config.seed), "--device", config.device, "--out", out.name]
    return shlex.join(words)
