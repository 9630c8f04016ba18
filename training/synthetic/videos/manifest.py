"""The manifest of a generated data set, `generated.json`: its seed, code, settings and videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from training.kinetics_tps.names import Split
from training.kinetics_tps.write import write_whole

GROUND_TRUTH = "ground_truth"
"""The folder with the benchmark's ground truth, within the data set."""
MANIFEST = "generated.json"


class ManifestError(ValueError):
    """A manifest is unreadable or invalid; the message names the file and the error."""


class GeneratedVideo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One video. `action`: the main action; `unseen_motion`: it is done in a way that neither training videos nor
    training sequences show; `sources`: styles and gestures of each person; `above`: the camera looks down."""

    name: str
    action: str
    unseen_motion: bool
    sources: tuple[tuple[str, ...], ...]
    people: int
    camera: str
    above: bool
    size: tuple[int, int]
    fps: float
    frames: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole data set. `code`: hash of the generator's code (`code_hash`); `settings`: the ranges of its videos."""

    seed: int
    code: str
    split: Split
    settings: dict[str, Any]
    videos: tuple[GeneratedVideo, ...]
    version: Literal[1] = 1


def read_manifest(root: Path) -> Manifest:
    """Read the manifest of the generated data set `root`. Raises `ManifestError`."""
    path = root / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except FileNotFoundError:
        raise ManifestError(f"{path}: is missing, so this is not a generated data set") from None
    except OSError as error:
        raise ManifestError(f"{path}: can't be read: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: is not the manifest of a generated data set: {error}") from None


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write the manifest atomically. Raises `training.kinetics_tps.DatasetError`."""
    write_whole(root / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
