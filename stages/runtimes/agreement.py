"""Comparison of what a candidate detects with what torch detects in float32, and the bounds that it must keep.

On 37 real pictures (the street of `vtest` at two sizes, `sports2d`; 139 sure people), torch and OpenVINO in bfloat16
gave these differences from float32. Beside them are those of float32 itself when the picture moves by one pixel: a
camera's noise changes more than the precision does.

| | bfloat16 | one pixel |
|---|---|---|
| least IoU of a person's boxes | .88 | .79 |
| OKS of a person's keypoints, mean and least | .993, .917 | .946, .249 |
| difference of a person's score, mean and greatest | .007, .027 | .026, .103 |
| sure people who were not found | 0 | 0 |

On the packaged pictures (14 sure people) scores differed in bfloat16 by up to .014 in the mean and at most by .064. In
float32, ONNX Runtime and OpenVINO differed from torch by 5e-6 in IoU and 1e-6 in scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.detection.movenet.keypoint_decoding import COCO_SIGMAS
from stages.runtimes.network import Detected, PrecisionName

SAME = 0.5
"""The mean of IoU and OKS from which two rows are one person (or object)."""
_SEEN = 0.2
"""Keypoints below this score in the reference are guesses, and their places are not compared."""
_BOX_TO_SEGMENT = 0.53
"""As in `keypoint_decoding`: the OKS is defined with the area of the person's segment."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of `Differences`. No sure detection may be missing or additional."""

    iou: float
    oks: float
    mean_oks: float
    score: float
    mean_score: float


BOUNDS: dict[PrecisionName, Bounds] = {
    "float32": Bounds(iou=0.99, oks=0.99, mean_oks=0.999, score=0.002, mean_score=0.001),
    "bfloat16": Bounds(iou=0.8, oks=0.8, mean_oks=0.98, score=0.1, mean_score=0.025),
}
_NEWLY_SURE = 0.1
"""A detection is additional only if it is this much above the threshold: others pass it in one of the two by chance."""


@dataclass(frozen=True, slots=True)
class Differences:
    """How a candidate's detections in some pictures differ from the reference's `sure` ones."""

    sure: int
    missing: int
    extra: int
    """Sure detections of the candidate that the reference lacks."""
    iou: float
    oks: float
    mean_oks: float
    score: float
    mean_score: float

    def reason_against(self, bounds: Bounds) -> str | None:
        """Return the first bound that is not kept, or None."""
        if not self.sure:
            return "torch is sure of nothing in the check pictures"
        if self.missing or self.extra:
            return f"{self.missing} of {self.sure} sure detections are missing, {self.extra} are additional"
        for name, value, least in (
            ("IoU of boxes", self.iou, bounds.iou),
            ("OKS of keypoints", self.oks, bounds.oks),
            ("mean OKS of keypoints", self.mean_oks, bounds.mean_oks),
        ):
            if not value >= least:
                return f"{name} is {value:.3f}, less than {least:g}"
        for name, value, most in (
            ("a score differs by", self.score, bounds.score),
            ("scores differ in the mean by", self.mean_score, bounds.mean_score),
        ):
            if not value <= most:
                return f"{name} {value:.3f}, more than {most:g}"
        return None


def differences(reference: Sequence[Detected], candidate: Sequence[Detected], sure: float) -> Differences:
    """Compare the detections in the same pictures; `sure` is the score from which one counts."""
    missing = extra = 0
    ious: list[float] = []
    oks: list[float] = []
    scores: list[float] = []
    for wanted, found in zip(reference, candidate, strict=True):
        ratios, similarities = iou_of(wanted, found), oks_of(wanted, found)
        alike = np.nan_to_num((ratios + similarities) / 2) * (wanted.labels[:, None] == found.labels)
        newly = np.flatnonzero(found.scores > sure + _NEWLY_SURE)
        extra += sum(alike[:, column].max(initial=0) < SAME for column in newly)
        for row in np.flatnonzero(wanted.scores > sure):
            best = int(alike[row].argmax()) if len(found.scores) else -1
            if best < 0 or alike[row, best] < SAME:
                missing += 1
                continue
            ious.append(float(ratios[row, best]))
            oks.append(float(similarities[row, best]))
            scores.append(float(abs(wanted.scores[row] - found.scores[best])))
    return Differences(
        sure=missing + len(scores),
        missing=missing,
        extra=int(extra),
        iou=min(ious, default=0.0),
        oks=min(oks, default=0.0),
        mean_oks=float(np.mean(oks)) if oks else 0.0,
        score=max(scores, default=0.0),
        mean_score=float(np.mean(scores)) if scores else 0.0,
    )


def iou_of(first: Detected, second: Detected) -> NDArray[np.float64]:
    """Return the IoU of each two boxes `[n, m]`."""
    a, b = first.boxes.astype(np.float64)[:, None], second.boxes.astype(np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    shared = sides.clip(0).prod(-1)
    return shared / (_areas(a) + _areas(b) - shared).clip(1e-9)


def oks_of(first: Detected, second: Detected) -> NDArray[np.float64]:
    """Return COCO's keypoint similarity of each two rows `[n, m]`, over the keypoints that are seen in `first`.

    It is 1 for rows without such keypoints.
    """
    a, b = first.keypoints.astype(np.float64)[:, None], second.keypoints.astype(np.float64)[None]
    if not a.shape[2]:
        return np.ones((a.shape[0], b.shape[1]))
    squared = ((a[..., :2] - b[..., :2]) ** 2).sum(-1)  # [n, m, 17]
    segment = _BOX_TO_SEGMENT * _areas(first.boxes.astype(np.float64)).clip(1)
    similar = np.exp(-squared / (2 * segment[:, None, None] * (2 * np.array(COCO_SIGMAS)) ** 2))
    seen = np.broadcast_to(a[..., 2] > _SEEN, similar.shape)
    return np.where(seen.any(-1), (similar * seen).sum(-1) / seen.sum(-1).clip(1), 1.0)


def _areas(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


FOLDER = Path(__file__).parent / "pictures"


def check_pictures() -> list[NDArray[np.uint8]]:
    """Return the pictures `[H, W, 3]` RGB, the smallest first; sides are multiples of 32."""
    pictures: list[NDArray[np.uint8]] = []
    for path in sorted(FOLDER.glob("*.jpg")):
        with Image.open(path) as image:
            pictures.append(np.array(image.convert("RGB")))
    return sorted(pictures, key=lambda picture: picture.size)
