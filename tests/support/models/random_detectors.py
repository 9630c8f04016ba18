"""Small detectors with random weights that answer many boxes, and mmdet's own answers of them."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.detection.cascade_rcnn.detector_model import (
    DetectorDescription,
    build,
    for_classes,
    narrow_detector,
    read_config,
)
from stages.vocabulary import PARTS

CLASSES = ("ball", "person", *PARTS, "bat")
"""Not in the order that anything here might assume."""
SCALE = (150, 90)


def small_cascade() -> DetectorDescription:
    """The narrow detector, narrower still in what it looks at."""
    description = narrow_detector(CLASSES)
    return _small(description)


def small_faster_rcnn() -> DetectorDescription:
    """One stage, and a box of its own for each class."""
    model, _ = read_config("faster_rcnn/faster-rcnn_r50_fpn_1x_coco")
    narrow: Any = small_cascade().model
    for section in ("backbone", "neck", "rpn_head"):
        model[section] = copy.deepcopy(narrow[section])
    model["roi_head"]["bbox_roi_extractor"]["out_channels"] = 64
    model["roi_head"]["bbox_head"].update(in_channels=64, fc_out_channels=64)
    return for_classes(_small(DetectorDescription(model, (), SCALE)), CLASSES)


def small_reversed() -> DetectorDescription:
    """The colours in the other order, each with a mean and spread of its own."""
    description = small_cascade()
    model: Any = description.model
    model["data_preprocessor"].update(bgr_to_rgb=False, mean=[90.0, 116.0, 140.0], std=[50.0, 57.0, 64.0])
    return description


def _small(description: DetectorDescription) -> DetectorDescription:
    model: Any = copy.deepcopy(dict(description.model))
    model["test_cfg"]["rpn"].update(nms_pre=120, max_per_img=50)
    # Chance is one in fourteen.
    model["test_cfg"]["rcnn"].update(score_thr=0.1, max_per_img=80)
    return DetectorDescription(model, description.classes, SCALE)


def random_detector(description: DetectorDescription, seed: int = 0) -> nn.Module:
    """mmdet's model with weights that move boxes about and have an opinion; batch norm has seen something."""
    torch.manual_seed(seed)
    model = build(description, initialise=True)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        if name.endswith(("rpn_cls.weight", "rpn_reg.weight", "fc_cls.weight")):
            weight.data *= 8
        if name.endswith("fc_reg.weight"):
            weight.data *= 100
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None and layer.running_var is not None
            layer.running_mean.copy_(torch.randn(layer.num_features, generator=generator) * 0.2)
            layer.running_var.copy_(torch.rand(layer.num_features, generator=generator) + 0.5)
            layer.weight.data.copy_(torch.rand(layer.num_features, generator=generator) * 0.5 + 0.5)
    return model


def random_picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """uint8 [height, width, 3] RGB: blobs of several sizes."""
    generator = torch.Generator().manual_seed(seed)
    picture = torch.zeros(3, height, width)
    for cells in (3, 9, 30):
        grid = torch.rand(1, 3, cells, cells * 2, generator=generator)
        picture += torch.nn.functional.interpolate(grid, (height, width), mode="bilinear")[0] * 85
    return picture.permute(1, 2, 0).to(torch.uint8).numpy()


def answers_of_mmdet(model: nn.Module, picture: NDArray[np.uint8], scale: tuple[int, int]) -> Tensor:
    """`inference_detector` of one RGB picture: [R, 6] x1, y1, x2, y2, score, class in the picture's pixels."""
    from mmdet.apis import inference_detector
    from mmengine.config import Config

    pipeline = [
        {"type": "mmdet.LoadImageFromNDArray"},
        {"type": "mmdet.Resize", "scale": scale, "keep_ratio": True},
        {"type": "mmdet.PackDetInputs", "meta_keys": ("img_id", "ori_shape", "img_shape", "scale_factor")},
    ]
    unknown: Any = model
    unknown.cfg = Config({"test_dataloader": {"dataset": {"pipeline": pipeline}}})
    found: Any = inference_detector(model, picture[..., ::-1].copy())
    instances = found.pred_instances
    return torch.cat((instances.bboxes, instances.scores[:, None], instances.labels[:, None].float()), 1)
