"""A run's state on disk, from which it resumes with the same results as an uninterrupted run.

It holds the trained modules, their running mean, optimiser, scaler, step, weights of rare states, the states of the
sources of batches, the generator's state before each batch of the pool, and the random states of Python, NumPy, torch
and CUDA. The learning rate follows from the step. A data folder is represented by its fingerprint, which must be the
same.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from stages.whole_file import whole_file
from training.run.learning.training_run import Run, TrainingError
from training.settings.run_config import TrainingConfig

FORMAT = "partstream.run/8"


def write_state(run: Run, path: Path, extra: dict[str, Any]) -> None:
    """Write the state atomically. `extra`: the caller's plain values and tensors. Raises TrainingError."""
    content = {
        "format": FORMAT,
        "config": _comparable_settings(run.config),
        "step": run.step,
        "network": run.network.state_dict(),
        "average": None if run.average is None else run.average.network.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "scaler": run.scaler.state_dict(),
        "positive": run.positive,
        "batches": run.batches.state(),
        "fingerprint": run.fingerprint,
        "random": _random_states(),
        "extra": extra,
    }
    try:
        with whole_file(path) as unfinished, unfinished.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        else:  # torch.save raises it on a full disk, without naming the cause
            reason = f"{error}".splitlines()[0] + ". Is there enough space on the disk?"
        raise TrainingError(f"{path}: can't be written: {reason}") from None


def read_state(run: Run, path: Path) -> dict[str, Any]:
    """Restore the state in a new run and return its `extra`.

    Raises TrainingError if the file is damaged or belongs to another configuration, start or other data. The run is
    then not fit for use.
    """
    try:
        content: Any = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch.load raises whatever the damage leads to
        raise TrainingError(
            f"{path}: can't be read as the state of a run ({type(error).__name__}); remove it"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise TrainingError(f"{path}: was written by another version of partstream; use that version, or remove it")
    try:
        return _restored(run, path, content)
    except TrainingError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        # Also where `start` or the data's vocabulary was replaced by one of other sizes.
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise TrainingError(
            f"{path}: doesn't fit this run ({what:.200}); use the checkpoint and data that the run began with, or "
            "remove it"
        ) from None


def _restored(run: Run, path: Path, content: dict[str, Any]) -> dict[str, Any]:
    differing = sorted(_differences(_comparable_settings(run.config), content["config"]))
    if differing:
        raise TrainingError(
            f"{path}: was written by a run with another {', '.join(differing)}; "
            "use the same configuration, or remove it"
        )
    if content["fingerprint"] != run.fingerprint:
        data = run.config.data
        folders = (data.folder, data.recorded.folder, None if data.clips is None else data.clips.folder)
        raise TrainingError(
            f"{path}: was written by a run on other videos, annotations or motion than "
            f"{' and '.join(folder for folder in folders if folder)} holds now; restore those, or remove it"
        )
    run.network.load_state_dict(content["network"])
    if run.average is not None:
        run.average.network.load_state_dict(content["average"])
    run.optimiser.load_state_dict(content["optimiser"])
    run.scaler.load_state_dict(content["scaler"])
    run.positive = content["positive"].to(run.device)
    run.batches.restore(content["batches"])
    run.step = content["step"]
    _restore_random_states(content["random"])
    return content["extra"]


def _comparable_settings(config: TrainingConfig) -> dict[str, Any]:
    return config.model_dump(mode="json", exclude={"log"})


def _differences(mine: dict[str, Any], theirs: dict[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for name in mine.keys() | theirs.keys():
        one, other = mine.get(name), theirs.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            names += _differences(one, other, f"{prefix}{name}.")
        elif one != other:
            names.append(prefix + name)
    return names


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), *(float(value) for value in rest)],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def _restore_random_states(states: dict[str, Any]) -> None:
    version, keys, gauss = states["python"]
    random.setstate((version, tuple(keys), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), int(position), int(has_gauss), cached))
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
