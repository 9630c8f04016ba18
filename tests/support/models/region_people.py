"""Scripted regions: people, parts and objects given beforehand, on pictures that differ, and pipelines over them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ring_buffers.frames import FrameMeta, Lease, SlotFormat
from stages.checkpoint import Checkpoint
from stages.detection.cascade_rcnn.cascade_rcnn import PackedRegions
from stages.detection.part_boxes import part_boxes
from stages.detection.region_detector import RegionClasses, RegionDetector, RegionLayout
from stages.heads.network import ActionNetwork, NetworkConfig
from stages.pipeline import Pipeline
from stages.region_features.step_features import object_regions_of
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.settings import PipelineSettings
from stages.vocabulary import PARTS, packaged
from support.models.scripted_people import PICTURE, SLOT, STEP_US, moving_people

CLASSES = RegionClasses.of(("ball", *PARTS, "person", "bat"), PARTS)
EACH, THINGS = 4, 3
FEATURES = 24
SCALE = np.array([PICTURE[0] / SLOT.content[0], PICTURE[1] / SLOT.content[1]], np.float32)


def layout(people: int) -> RegionLayout:
    return RegionLayout(people, len(PARTS), EACH, THINGS)


def moving_regions(frames: int, people: int, seed: int = 0) -> NDArray[np.float32]:
    """[frames, layout.rows, 6] in slot pixels: the people of `moving_people`, their parts, some false ones, and things
    that fly by, one of them past a hand."""
    rng = np.random.default_rng(seed)
    script = moving_people(frames, people, seed)
    rows = np.zeros((frames, layout(people).rows, 6), np.float32)
    for number in range(frames):
        boxes = script[number, :, :4]
        keypoints = script[number, :, 5:].reshape(-1, 17, 3)
        parts = part_boxes(keypoints, boxes, SLOT.content)
        rows[number, :people, :4], rows[number, :people, 4] = boxes, rng.uniform(0.6, 0.9, people)
        rows[number, :people, 5] = CLASSES.person
        of_part = layout(people).parts_of(rows[number])
        for part in range(len(PARTS)):
            seen = np.flatnonzero(parts.present[:, part])
            boxes_of = [parts.boxes[who, part] + rng.normal(0, 0.1, 4) for who in seen]
            # A false one, somewhere in somebody.
            corner = boxes[rng.integers(people), :2] + rng.uniform(0, 3, 2)
            boxes_of.append(np.concatenate([corner, corner + rng.uniform(1, 4, 2)]))
            scores = rng.uniform(0.15, 0.95, len(boxes_of))
            for place, at in enumerate(np.argsort(-scores)[:EACH]):
                of_part[part, place] = [*boxes_of[at], scores[at], CLASSES.parts[part]]
        things = layout(people).objects_of(rows[number])
        for place in range(THINGS):
            corner = rng.uniform(0, SLOT.content, 2)
            if place == 0:  # by somebody's hand
                corner = parts.boxes[rng.integers(people), PARTS.index("left_hand"), :2] + rng.uniform(-4, 4, 2)
            things[place, :4] = np.concatenate([corner, corner + rng.uniform(2, 8, 2)])
            things[place, 4:] = 0.9 - 0.32 * place, CLASSES.objects[place % 2]
        rows[number, :people, :4] = np.clip(rows[number, :people, :4], 0, np.tile(SLOT.content, 2))
    return rows


class ScriptedRegions:
    """Answers with the script's row of the number in each picture; counts the pictures it is shown."""

    classes = CLASSES

    def __init__(self, script: NDArray[np.float32], people: int, device: torch.device | str = "cpu") -> None:
        self._script, self._people = torch.from_numpy(script).to(device), people
        self.pictures = 0

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        return SLOT

    def __call__(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Tensor]:
        self.pictures += len(pictures)
        first = pictures[:, 0, 0].long()
        return {}, first[:, 0] * 256 + first[:, 1]

    def decode(self, heads: Tensor, max_people: int) -> PackedRegions:
        # The warm-up's picture has no number that must be in the script.
        return PackedRegions(self._script.index_select(0, heads), layout(self._people))


def region_lease(number: int, camera: str = "hall", frame: int | None = None) -> Lease:
    """Frame `number` of the script: noise that follows from it, its number in the first pixel."""
    picture = np.random.default_rng(number).integers(0, 255, SLOT.shape, np.uint8)
    picture[0, 0, :2] = divmod(number, 256)
    at = number if frame is None else frame
    media = at * STEP_US
    return Lease(FrameMeta(camera, 1, at, media, media, "media", 0, 0, PICTURE, SLOT), picture, 0)


def paper_checkpoint(seed: int = 0, device: torch.device | str = "cpu") -> Checkpoint:
    """The report's network, narrow: VGG features alone, no geometry; its answers vary with what it sees."""
    torch.manual_seed(seed)
    vocabulary = packaged("edge")
    config = NetworkConfig(
        part_features=0, context_features=0, geometry=False, visual=True, visual_features=FEATURES, visual_hidden=0,
        object_regions=object_regions_of(10), relevance_hidden=16, state_hidden=24, prior_hidden=16, graph_hidden=24,
        action_width=24,
    )  # fmt: skip
    mask = torch.from_numpy(vocabulary.mask())[..., None]
    network = ActionNetwork(config, vocabulary, torch.randn(10, len(vocabulary.states), 30) * mask)
    network.set_visual_normalisation(torch.full((FEATURES,), 0.2), torch.full((FEATURES,), 0.1))
    with torch.no_grad():
        network.action_lstm.scores.weight.mul_(6)
        network.part_states.scores.weight.mul_(4)
    features = VggFeatures(VggConfig(channels=2, hidden=FEATURES, short_side=48)).to(device).eval()
    made = Checkpoint(network.to(device).eval().requires_grad_(False), "kinetics-tps", False, "none")
    return replace(made, features=features.requires_grad_(False))


def region_pipeline(
    script: NDArray[np.float32],
    people: int,
    settings: PipelineSettings | None = None,
    device: torch.device | str = "cpu",
) -> tuple[Pipeline, ScriptedRegions]:
    """A pipeline over the script with a random network and extractor."""
    detector = ScriptedRegions(script, people, device)
    made = Pipeline(RegionDetector(detector, device), paper_checkpoint(device=device), settings, device)
    return made, detector
