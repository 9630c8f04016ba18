"""MoveNet's detection of people in generated videos, on which learning from these videos depends.

`python -m benchmarks.model.generated_people DIR --every 10` runs the detector on every tenth frame of all videos at
their own size, as the engine does, and prints person recall and keypoint error as JSON. People who are at least 60 %
visible are counted. A person is found if a detection with sufficient score matches: by an IoU of at least 0.5 with the
box of the visible part, or by the criteria of `benchmarks.model.rendered_people`. People wider than high are lying.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.model.rendered_people import DETECTION_SCORE, FOUND, VISIBLE, around, overlap, similarity
from stages.detection.movenet.keypoint_decoding import COCO_SIGMAS
from stages.detection.movenet.movenet import MoveNet, slot_format
from training.kinetics_tps import video_file
from training.synthetic.videos.manifest import GeneratedVideo, Manifest, ManifestError, read_manifest
from training.synthetic.videos.truth import TruePerson, TruthError, read_truth, truth_file

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

_COVERED = 0.6
"""Approximate share of a person's box that the person covers."""
_LIES = 1.1
_HEIGHTS = (0, 60, 90, 120, 160, 1000)
"""Bins of the distance in pixels from the highest to the lowest joint."""


def joints_of(person: TruePerson) -> Array:
    """Return joints [17, 3]: x, y in pixels, and 1 if visible."""
    return np.array(person.keypoints, np.float64)


def agreement(person: TruePerson, detection: Array) -> float:
    """Return the agreement in [0, 1] of a detection [56] (`movenet.Detections.packed`) with a person."""
    true, found = joints_of(person)[:, :2], detection[5:].reshape(len(COCO_SIGMAS), 3)[:, :2]
    box = np.array(person.box)
    area = _COVERED * float(np.prod(box[2:] - box[:2])) / person.visible
    return max(overlap(around(true), around(found)), similarity(found, true, area), overlap(box, detection[:4]))


def partners(people: Sequence[TruePerson], detections: Array) -> dict[int, int]:
    """Return the index of the detection of each found person; the best pairs are matched first."""
    pairs = sorted(
        ((agreement(person, one), k, j) for k, person in enumerate(people) for j, one in enumerate(detections)),
        reverse=True,
    )
    out: dict[int, int] = {}
    for likeness, k, j in pairs:
        if likeness >= FOUND and k not in out and j not in out.values():
            out[k] = j
    return out


def frames_of(root: Path, manifest: Manifest, every: int) -> Iterator[tuple[GeneratedVideo, Pixels, list[TruePerson]]]:
    """Yield every `every`-th picture of each video, with the people in it."""
    for video in manifest.videos:
        truth = read_truth(truth_file(root, video.name))
        with av.open(str(video_file(root, manifest.split, video.action, video.name))) as container:
            for index, (frame, true) in enumerate(zip(container.decode(video=0), truth.frames, strict=True)):
                if index % every == 0:
                    yield video, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8), list(true.people)


def measure(root: Path, every: int) -> dict[str, Any]:
    """Detect and match people; return the figures. Raises ValueError if no person is visible enough."""
    detector = MoveNet.load()
    hits: defaultdict[str, list[bool]] = defaultdict(list)
    errors: list[Array] = []
    frames = spare = 0
    for video, picture, people in frames_of(root, read_manifest(root), every):
        slot = slot_format(video.size).size
        padded = np.zeros((slot[1], slot[0], 3), np.uint8)
        padded[: video.size[1], : video.size[0]] = picture
        _, heads = detector(torch.from_numpy(padded)[None])
        rows = detector.decode(heads, 32).packed[0].numpy().astype(np.float64)
        rows = rows[rows[:, 4] > DETECTION_SCORE]
        found = partners(people, rows)
        frames, spare = frames + 1, spare + len(rows) - len(found)
        for k, person in enumerate(people):
            if person.visible < VISIBLE:
                continue
            true = joints_of(person)
            wide, high = np.ptp(true[:, 0]), np.ptp(true[:, 1])
            bound = int(np.searchsorted(_HEIGHTS, high, "right"))
            kinds = ["all", "lying" if wide > _LIES * high else "upright", f"action {person.action}"]
            kinds += [f"{_HEIGHTS[bound - 1]} to {_HEIGHTS[bound]} px", "above" if video.above else "eye height"]
            for kind in kinds:
                hits[kind].append(k in found)
            if k in found:
                seen = true[:, 2] > 0
                gaps = rows[found[k]][5:].reshape(-1, 3)[seen, :2] - true[seen, :2]
                errors.append(np.linalg.norm(gaps, axis=1) / max(wide, high) * 100)
    if not errors:
        raise ValueError(f"{root}: no person in these frames is visible enough to be counted")
    median, p90 = np.percentile(np.concatenate(errors), [50, 90])
    return {
        "frames": frames,
        "recall": {
            kind: {"people": len(found), "recall": round(float(np.mean(found)), 4)}
            for kind, found in sorted(hits.items())
        },
        "unmatched_detections_per_frame": round(spare / frames, 3),
        "error_of_seen_keypoints_percent_of_size": {"median": round(float(median), 2), "p90": round(float(p90), 2)},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model.generated_people", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--every", type=int, default=10)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    try:
        print(json.dumps(measure(chosen.folder, max(1, chosen.every)), indent=1))
    except (ManifestError, TruthError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
