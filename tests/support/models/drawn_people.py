"""People drawn as rectangles with a coloured square for each part, and a narrow detector that learns to find them.

A detector of few channels learns colours in ninety steps: so that what runs a detector can be tested with one that
really finds people, parts and a ball, in seconds and without any file.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from torch import nn

from stages.checkpoint import Checkpoint, save
from stages.detection.cascade_rcnn import detector_file
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, build, narrow_detector
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.region_features.step_features import object_regions_of
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.vocabulary import PARTS, packaged
from training.picture_training.detector import losses
from training.picture_training.pictures import LabelledPicture, total_loss

CLASSES = ("ball", "person", *PARTS)
"""Not in the order that anything might assume."""
SIZE = (160, 128)
"""Width, height."""
_BODY, _PART = (56, 110), 18
_COLOURS = (
    (250, 30, 30), (30, 250, 30), (30, 30, 250), (250, 250, 30), (250, 30, 250),
    (30, 250, 250), (250, 140, 30), (140, 30, 250), (30, 140, 80), (140, 140, 140),
)  # fmt: skip
_BALL = (250, 250, 250)


class Place(NamedTuple):
    """Where somebody is: their upper left corner; `ball`: how far to the left of their left hand it is, None: none."""

    x: float
    y: float
    ball: float | None = 4.0


def drawn(places: list[Place], noise: int) -> LabelledPicture:
    """A picture of so many people on noise that follows from the number."""
    random = np.random.default_rng(noise)
    picture = random.integers(40, 70, (SIZE[1], SIZE[0], 3), np.uint8)
    boxes: list[tuple[float, float, float, float]] = []
    labels: list[int] = []

    def put(name: str, x: float, y: float, width: int, height: int, colour: tuple[int, int, int]) -> None:
        left, top = round(x), round(y)
        picture[max(top, 0) : top + height, max(left, 0) : left + width] = colour
        boxes.append((max(left, 0), max(top, 0), min(left + width, SIZE[0]), min(top + height, SIZE[1])))
        labels.append(CLASSES.index(name))

    for place in places:
        put("person", place.x, place.y, *_BODY, (110, 70, 40))
        for at, part in enumerate(PARTS):
            x, y = place.x + (6 if at % 2 else 32), place.y + 3 + 21 * (at // 2)
            put(part, x, y, _PART, _PART, _COLOURS[at])
            if part == "left_hand" and place.ball is not None:
                put("ball", x - _PART - place.ball, y, _PART, _PART, _BALL)
    return LabelledPicture(picture, np.array(boxes, np.float32).reshape(-1, 4), np.array(labels, np.int64))


def somewhere(seed: int) -> LabelledPicture:
    """One or two people anywhere."""
    random = np.random.default_rng(seed)
    places = [Place(random.uniform(24, 40), random.uniform(0, 18))]
    if seed % 2:
        places.append(Place(random.uniform(100, 104), random.uniform(0, 18), random.choice([0.0, None])))
    return drawn(places, seed)


def description() -> DetectorDescription:
    """The narrow detector with half its channels, looking at fewer places."""
    made = narrow_detector(CLASSES)
    model: Any = made.model
    model["backbone"].update(base_channels=16)
    model["neck"].update(in_channels=[16, 32, 64, 128], out_channels=32)
    model["rpn_head"].update(in_channels=32, feat_channels=32)
    model["roi_head"]["bbox_roi_extractor"]["out_channels"] = 32
    for head in model["roi_head"]["bbox_head"]:
        head.update(in_channels=32, fc_out_channels=64)
    model["train_cfg"]["rpn_proposal"].update(nms_pre=100, max_per_img=60)
    for stage in model["train_cfg"]["rcnn"]:
        stage["sampler"]["num"] = 64
    model["test_cfg"]["rpn"].update(nms_pre=100, max_per_img=60)
    return DetectorDescription(model, CLASSES, SIZE, trained=True)


@functools.cache
def trained_detector() -> StoredDetector:
    """Learned once a run of tests: processes that test side by side have it from one another through a file."""
    path = Path(os.environ.get("TESTS_MADE_ONCE") or tempfile.mkdtemp()) / "drawn-people.safetensors"
    with FileLock(f"{path}.lock"):
        if not path.exists():
            detector_file.save(_learned(), description(), path)
    return replace(detector_file.read(path), where="drawn people")


def _learned(steps: int = 90) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(description(), initialise=True).train()
        optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = 3e-3 * min(1.0, (step + 1) / 10, 2 * (1 - step / steps))
            terms = losses(model, [somewhere(2 * step + row) for row in range(2)], torch.device("cpu"))
            optimiser.zero_grad()
            total_loss(terms).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
            optimiser.step()
    return model.eval()


FEATURES = VggConfig(channels=2, hidden=24, short_side=64)


def drawn_checkpoint(seed: int = 4) -> Checkpoint:
    """Its answers vary: parts' weights are distinct, and actions' scores are spread."""
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    hidden = dict.fromkeys(("relevance_hidden", "state_hidden", "prior_hidden", "graph_hidden", "action_hidden"), 16)
    config = NetworkConfig(
        part_features=0,
        context_features=0,
        geometry=False,
        visual=True,
        visual_features=FEATURES.hidden,
        visual_hidden=0,
        object_regions=object_regions_of(len(PARTS)),
        action_width=16,
        **hidden,
    )
    network = ActionNetwork(config, vocabulary, torch.randn(len(PARTS), len(vocabulary.states), 12))
    with torch.no_grad():
        network.part_graph.absent.normal_()
        network.part_states.scores.weight.mul_(4)
        network.action_lstm.scores.weight.mul_(6)
        network.part_graph.lstm.weight_ih_l0.mul_(3)
    network.eval().requires_grad_(False)
    return Checkpoint(
        network,
        "drawn",
        True,
        "none",
        metrics={"config": {"data": {"window": 6}}},
        features=VggFeatures(FEATURES).eval().requires_grad_(False),
        detector=trained_detector(),
    )


def write_drawn_checkpoint(path: Path) -> Path:
    """The same as a file."""
    save(drawn_checkpoint(), path)
    return path


def walking(frames: int) -> Iterator[NDArray[np.uint8]]:
    """Two people who sway, one with a ball."""
    for number in range(frames):
        sway = 4 * np.sin(number / 4)
        yield drawn([Place(28 + sway, 9 - sway), Place(101 - sway / 2, 8, None)], number).picture


def write_film(path: Path, frames: int, rate: int = 10) -> Path:
    """`walking` as an H.264 video."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast", "crf": "12", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number, picture in enumerate(walking(frames)):
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
