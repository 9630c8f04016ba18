"""Minimal truth files and manifests for tests of their readers."""

from __future__ import annotations

from pathlib import Path

from training.synthetic.videos.manifest import GeneratedVideo, Manifest, write_manifest
from training.synthetic.videos.truth import Keypoint, TrueFrame, TruePerson, Truth, truth_file, write_truth


def true_person(
    number: int = 1, action: str | None = "wave", at: tuple[float, float] = (40.0, 20.0), height: float = 80.0
) -> TruePerson:
    """Return an upright, fully visible person whose box has its top left corner at `at` and is half as wide as high."""
    x, y = at
    keypoints: list[Keypoint] = [
        (x + height * 0.5 * across, y + height * down, 1)
        for across, down in (
            (0.50, 0.08), (0.54, 0.06), (0.46, 0.06), (0.58, 0.07), (0.42, 0.07), (0.75, 0.2), (0.25, 0.2),
            (0.85, 0.35), (0.15, 0.35), (0.9, 0.48), (0.1, 0.48), (0.65, 0.52), (0.35, 0.52), (0.65, 0.73),
            (0.35, 0.73), (0.65, 0.94), (0.35, 0.94),
        )
    ]  # fmt: skip
    waves = action == "wave"
    return TruePerson(
        number=number,
        visible=1.0,
        box=(x, y, x + height / 2, y + height),
        action=action,
        keypoints=tuple(keypoints),
        states={"left_arm": ("bend", "wave") if waves else ("none",), "left_leg": ("stand",), "head": ("none",)},
        relevant=("left_arm", "left_hand") if waves else None,
        props=(),
    )


def write_true_video(root: Path, name: str, frames: list[list[TruePerson]]) -> Path:
    """Write a video's truth from its people by frame, and return the file."""
    path = truth_file(root, name)
    write_truth(path, Truth(tuple(TrueFrame(tuple(people)) for people in frames)))
    return path


def write_example_manifest(root: Path, videos: dict[str, str], frames: int = 3, *, unseen: bool = False) -> Manifest:
    """Write the manifest of a test set of `videos` (name → action), 64 by 128 pixels, one person each."""
    manifest = Manifest(
        seed=1,
        code="0" * 64,
        split="test",
        settings={},
        videos=tuple(
            GeneratedVideo(name, action, unseen, (("stand:still",),), 1, "fixed", False, (64, 128), 10.0, frames)
            for name, action in videos.items()
        ),
    )
    write_manifest(root, manifest)
    return manifest
