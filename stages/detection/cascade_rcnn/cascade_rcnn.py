"""Cascade R-CNN: pictures in, people, part boxes and objects out. mmdet's networks, our arithmetic between them.

Owns the networks' weights, for as long as the detector lives. mmdet answers one picture at a time, with as many boxes
as there are, and waits for the device at every count; this takes a batch, answers in tensors of a fixed size, and waits
for nothing. The boxes, scores and labels are those of mmdet's `inference_detector` (tests/parity). METHOD section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ring_buffers.frames import SlotFormat
from stages.detection.cascade_rcnn import detector_file, mmcv_ops
from stages.detection.cascade_rcnn.detector_file import StoredDetector
from stages.detection.cascade_rcnn.detector_model import DetectorDescription, picture_format, size_multiple
from stages.detection.cascade_rcnn.region_pooling import Pooling, Pyramid, pool
from stages.detection.cascade_rcnn.two_stage import (
    AnswerSettings,
    Coding,
    ProposalSettings,
    anchors,
    answer,
    apply_deltas,
    of_class,
    propose,
)
from stages.detection.detector import DetectorError
from stages.detection.region_classes import RegionClasses, RegionLayout, kinds_of, sort_regions
from stages.device.precision import computing_in
from stages.vocabulary import PARTS

MOST_OBJECTS = 32
"""Objects a picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """What decoding needs of a batch.

    `maps`: the pyramid, finest first, `[B, c, H / stride, W / stride]`. `levels`: for each, objectness logits
    `[B, A, h, w]` and deltas `[B, 4 · A, h, w]`. `content` float32 `[B, 2]`: width and height of each picture within
    its slot.
    """

    maps: list[Tensor]
    levels: list[tuple[Tensor, Tensor]]
    content: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class PackedRegions:
    """A batch's detections in one tensor, so that one copy moves them all.

    `packed` float32 `[B, layout.rows, 6]`: x1, y1, x2, y2 in input pixels, score, class. `layout` reads it, on the
    device or on the host.
    """

    packed: Tensor
    layout: RegionLayout


class CascadeRCNN(nn.Module):
    """The detector. `maps, heads = net(pictures, content); found = net.decode(heads, 32)`."""

    def __init__(self, model: nn.Module, description: DetectorDescription, parts: Sequence[str] = PARTS) -> None:
        """`model` is mmdet's and becomes the detector's: batch norm is folded into the convolutions. `parts` are the
        vocabulary's.

        Raises `DetectorError` for a model that isn't of the family of Cascade and Faster R-CNN.
        """
        super().__init__()
        self.description = description
        self.fixed_shapes: bool | None = None
        """Whether decoding may have no shape that depends on values; None: on CUDA only."""
        self.precision = torch.float32
        """In which the networks compute; maps, boxes and scores are float32 all the same."""
        self.classes = RegionClasses.of(description.classes, parts)
        _check(model)
        parts_of: Any = model
        preprocessor, rpn, roi = parts_of.data_preprocessor, parts_of.rpn_head, parts_of.roi_head
        self.backbone: nn.Module = parts_of.backbone
        self.neck: nn.Module = parts_of.neck
        self.rpn: nn.Module = rpn
        self.box_heads = nn.ModuleList(_listed(roi.bbox_head))
        self._reversed = not preprocessor._channel_conversion
        self._size_multiple = size_multiple(description)
        self._anchor_strides = [(int(x), int(y)) for x, y in rpn.prior_generator.strides]
        self._rpn_coding = _coding(rpn)
        self._proposals = _proposal_settings(rpn.test_cfg)
        self._codings = [_coding(head) for head in self.box_heads]
        self._poolings = [_pooling(extractor) for extractor in _listed(roi.bbox_roi_extractor)]
        self._answers = _answer_settings(roi.test_cfg)
        # On the device from the start: making them there would wait for the copy.
        self.mean: Tensor
        self.spread: Tensor
        self.kinds: Tensor
        self.base_anchors: Tensor
        self.register_buffer("mean", preprocessor.mean.flatten(), persistent=False)
        self.register_buffer("spread", preprocessor.std.flatten(), persistent=False)
        self.register_buffer("kinds", torch.tensor(kinds_of(self.classes)), persistent=False)
        self.register_buffer("base_anchors", torch.stack(rpn.prior_generator.base_anchors), persistent=False)
        self._fold()
        self._reordered = [_reorder(head) for head in self.box_heads]
        self.eval()
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @classmethod
    def load(cls, path: Path, config: str | Path | None = None, parts: Sequence[str] = PARTS) -> CascadeRCNN:
        """From one of our detector files, or an mmdet `.pth` with its configuration (`detector_file.load`).

        Raises `DetectorError`; `ImportError` saying what to install without the extra `mmdet`.
        """
        return cls.of(detector_file.read(path, config), parts)

    @classmethod
    def of(cls, stored: StoredDetector, parts: Sequence[str] = PARTS) -> CascadeRCNN:
        """From what a file or a checkpoint holds. Raises as `load`, naming where it came from."""
        return cls(stored.model(), stored.description, parts)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """The picture that the detector wants: `detector_model.picture_format`. Pure."""
        return picture_format(self.description, source_size, detector_size)

    @torch.no_grad()
    def forward(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Heads]:
        """pictures `[B, H, W, 3]` uint8 RGB; content float32 `[B, 2]`: width and height within the slot, both on the
        model's device.

        Returns maps by stride, `[B, c, H / stride, W / stride]`, and the heads.
        """
        multiple = self._size_multiple
        if pictures.shape[1] % multiple or pictures.shape[2] % multiple:
            raise ValueError(f"height and width must be multiples of {multiple}, not {tuple(pictures.shape[1:3])}")
        with computing_in(self.precision, pictures.device):
            narrow = list(self.neck(self.backbone(self._normalised(pictures, content))))
            logits, deltas = self.rpn(narrow)
        maps = [level.float() for level in narrow]
        levels = [(said.float(), moved.float()) for said, moved in zip(logits, deltas, strict=True)]
        by_stride = {stride[0]: level for stride, level in zip(self._anchor_strides, maps, strict=True)}
        return by_stride, Heads(maps, levels, content)

    @torch.no_grad()
    def decode(self, heads: Heads, max_people: int) -> PackedRegions:
        """The regions of each picture, best first: at most `max_people` people, as many of each part, and
        `MOST_OBJECTS` objects.
        """
        return self.found(self.boxes(heads), max_people)

    def found(self, boxes: Tensor, max_people: int) -> PackedRegions:
        """The same, of all `boxes`."""
        layout = RegionLayout(max_people, len(self.classes.parts), max_people, MOST_OBJECTS)
        return PackedRegions(sort_regions(boxes, self.kinds, layout), layout)

    @torch.no_grad()
    def boxes(self, heads: Heads) -> Tensor:
        """All boxes of each picture, as mmdet answers: `[B, R, 6]`, best first; R is the configuration's
        `max_per_img`.
        """
        fixed = heads.content.is_cuda if self.fixed_shapes is None else self.fixed_shapes
        levels = [
            (logits, deltas, anchors(base, (logits.shape[2], logits.shape[3]), stride))
            for (logits, deltas), base, stride in zip(
                heads.levels, self.base_anchors, self._anchor_strides, strict=True
            )
        ]
        boxes, scores = propose(levels, self._rpn_coding, heads.content, self._proposals, fixed)
        if not fixed:
            rows = int((scores > 0).sum(1).max())
            boxes, scores = boxes[:, :rows], scores[:, :rows]
        batch, count = scores.shape
        maps = heads.maps[: len(self._poolings[0].strides)]
        if fixed:
            # torchvision's RoIAlign would copy maps whose channels lie side by side, at every stage.
            maps = [level.contiguous() for level in maps]
        pyramid = Pyramid(maps)
        logits: list[Tensor] = []
        for stage, (head, coding, pooling) in enumerate(
            zip(self.box_heads, self._codings, self._poolings, strict=True)
        ):
            regions = pool(pyramid, boxes.flatten(2), pooling, fixed)
            with computing_in(self.precision, regions.device):
                said, deltas = head(regions.flatten(1) if self._reordered[stage] else regions.permute(0, 3, 1, 2))
            said = said.float().view(batch, count, -1)
            moved = apply_deltas(
                boxes.view(batch, count, 1, 4), deltas.float().view(batch, count, -1, 4), coding, heads.content
            )
            logits.append(said)
            # What comes next looks at the box of the likeliest class; the last stage's boxes are the answer's.
            last = stage == len(self.box_heads) - 1
            boxes = moved if last else of_class(moved, said[..., :-1].argmax(-1))
        probabilities = (sum(logits[1:], logits[0]) / len(logits)).softmax(-1)[..., :-1]
        return answer(boxes, probabilities * (scores > 0)[..., None], self._answers, fixed)

    def _normalised(self, pictures: Tensor, content: Tensor) -> Tensor:
        """`[B, 3, H, W]`; beyond the picture the mean colour, whatever lies there."""
        _, height, width, _ = pictures.shape
        x = pictures.permute(0, 3, 1, 2).to(self.mean.dtype)
        if self._reversed:
            x = x.flip(1)
        x = (x - self.mean[:, None, None]) / self.spread[:, None, None]
        columns = torch.arange(width, device=x.device) < content[:, :1]
        rows = torch.arange(height, device=x.device) < content[:, 1:]
        return (x * (rows[:, None, :, None] & columns[:, None, None, :])).contiguous(memory_format=torch.channels_last)

    def _fold(self) -> None:
        mmcv_ops.provide()
        from mmcv.cnn import fuse_conv_bn

        for network in (self.backbone, self.neck, self.rpn, self.box_heads):
            fuse_conv_bn(network)
        self.requires_grad_(False)


def _listed(modules: Any) -> list[Any]:
    return list(modules) if isinstance(modules, nn.ModuleList) else [modules]


def _reorder(head: Any) -> bool:
    """Let a head's first layer read regions whose channels lie side by side, as they are pooled, where that layer is
    fully connected: turning its weights once spares turning every region. Says whether it does.
    """
    if head.num_shared_convs or not head.num_shared_fcs or head.with_avg_pool:
        return False
    layer = head.shared_fcs[0]
    weight = layer.weight.unflatten(1, (head.in_channels, -1)).transpose(1, 2).flatten(1)
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return True


def _check(model: nn.Module) -> None:
    """Refuse what the arithmetic here isn't that of, naming the field."""
    from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
    from mmdet.models.roi_heads.bbox_heads import BBoxHead
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
    from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
    from mmdet.models.task_modules.prior_generators import AnchorGenerator

    def demand(holds: bool, field: str, wanted: str) -> None:
        if not holds:
            raise DetectorError(f"{field} must be {wanted}: this runs detectors of Cascade and Faster R-CNN's kind")

    rpn, roi = getattr(model, "rpn_head", None), getattr(model, "roi_head", None)
    demand(rpn is not None, "model", "a two-stage detector with an rpn_head")
    demand(type(roi) in (CascadeRoIHead, StandardRoIHead), "model.roi_head.type", "CascadeRoIHead or StandardRoIHead")
    found: Any = model
    rpn, roi = found.rpn_head, found.roi_head
    demand(hasattr(found, "neck"), "model.neck", "a pyramid such as FPN")
    demand(type(rpn.prior_generator) is AnchorGenerator, "model.rpn_head.anchor_generator.type", "AnchorGenerator")
    demand(rpn.use_sigmoid_cls, "model.rpn_head.loss_cls.use_sigmoid", "true")
    demand(type(rpn.bbox_coder) is DeltaXYWHBBoxCoder, "model.rpn_head.bbox_coder.type", "DeltaXYWHBBoxCoder")
    for head in _listed(roi.bbox_head):
        coder = head.bbox_coder
        demand(isinstance(head, BBoxHead) and head.with_reg, "model.roi_head.bbox_head.type", "a box head")
        demand(type(coder) is DeltaXYWHBBoxCoder, "model.roi_head.bbox_head.bbox_coder.type", "DeltaXYWHBBoxCoder")
        demand(not head.custom_activation, "model.roi_head.bbox_head.loss_cls", "a loss of softmax scores")
    for extractor in _listed(roi.bbox_roi_extractor):
        demand(type(extractor) is SingleRoIExtractor, "model.roi_head.bbox_roi_extractor.type", "SingleRoIExtractor")
        demand(
            all(getattr(layer, "pool_mode", None) == "avg" for layer in extractor.roi_layers),
            "model.roi_head.bbox_roi_extractor.roi_layer",
            "RoIAlign of the average",
        )
    for field, settings in (("rpn", rpn.test_cfg), ("rcnn", roi.test_cfg)):
        demand(settings.nms.get("type", "nms") == "nms", f"model.test_cfg.{field}.nms.type", "nms")
    preprocessor = found.data_preprocessor
    demand(preprocessor._enable_normalize, "model.data_preprocessor", "one with `mean` and `std`")
    demand(preprocessor.pad_value == 0, "model.data_preprocessor.pad_value", "0")


def _coding(head: Any) -> Coding:
    coder = head.bbox_coder
    return Coding(tuple(map(float, coder.means)), tuple(map(float, coder.stds)))


def _proposal_settings(settings: Any) -> ProposalSettings:
    before = int(settings.get("nms_pre", -1))
    return ProposalSettings(
        before if before > 0 else 1 << 31,
        int(settings.max_per_img),
        float(settings.nms.iou_threshold),
        float(settings.get("min_bbox_size", -1)),
    )


def _answer_settings(settings: Any) -> AnswerSettings:
    return AnswerSettings(float(settings.score_thr), float(settings.nms.iou_threshold), int(settings.max_per_img))


def _pooling(extractor: Any) -> Pooling:
    layer = extractor.roi_layers[0]
    return Pooling(
        tuple(int(stride) for stride in extractor.featmap_strides),
        (int(layer.output_size[0]), int(layer.output_size[1])),
        int(layer.sampling_ratio),
        bool(layer.aligned),
        float(extractor.finest_scale),
    )
