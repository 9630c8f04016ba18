"""The videos of a generated test set and their files, from its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from training.kinetics_tps.names import video_file
from training.synthetic.videos.manifest import MANIFEST, Manifest, ManifestError, read_manifest
from training.synthetic.videos.truth import truth_file


class KnownVideo(NamedTuple):
    """A test video: its entry in the manifest, and its files."""

    name: str
    action: str
    unseen_motion: bool
    fps: float
    frames: int
    path: Path
    truth: Path


def read_test_set(root: Path) -> Manifest:
    """Return the manifest of a generated test set.

    Raises `ManifestError`, also for a training set or a set without videos.
    """
    manifest = read_manifest(root)
    if manifest.split != "test":
        raise ManifestError(f"{root / MANIFEST}: is a training set; give one made with `data generate --split test`")
    if not manifest.videos:
        raise ManifestError(f"{root / MANIFEST}: has no video to score")
    return manifest


def known_videos(root: Path, manifest: Manifest) -> list[KnownVideo]:
    """Return its videos, in the manifest's order, without checking that the files exist."""
    return [
        KnownVideo(
            video.name,
            video.action,
            video.unseen_motion,
            video.fps,
            video.frames,
            video_file(root, "test", video.action, video.name),
            truth_file(root, video.name),
        )
        for video in manifest.videos
    ]
