"""Cascade R-CNN: detects people, parts and objects with mmdet's networks.

mmdet processes one picture at a time and waits for the device whenever it counts boxes. This implementation of the
steps between the networks takes a batch, returns tensors of a fixed size and never waits. Its boxes, scores and labels
are those of mmdet's `inference_detector` (tests/parity/test_cascade_rcnn.py). See docs/method.md, "Detection".
"""

from __future__ import annotations

import math
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
from stages.detection.detections import DetectorError
from stages.detection.region_detector import RegionClasses, RegionLayout, kinds_of, sort_regions
from stages.detection.suppression import DetectionSettings, nms_mask, select_detections
from stages.device.precision import computing_in
from stages.vocabulary import PARTS

MAX_LOG_SCALE = abs(math.log(16 / 1000))
"""Limit of the natural logarithm of the factor by which a delta scales a side."""


@dataclass(frozen=True, slots=True)
class DeltaCoding:
    """Normalisation of deltas, each [4]: x, y, width, height."""

    means: tuple[float, ...]
    stds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """mmdet's `test_cfg.rpn`."""

    anchors_per_level: int
    """Anchors of each level that enter suppression."""
    count: int
    """Proposals per picture."""
    threshold: float
    min_side: float
    """Sides must be longer than this; a negative value allows all."""


def anchors(base: Tensor, size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Return the anchors of one level, row by row: base `[A, 4]` around the origin, size (h, w) → `[h · w · A, 4]`."""
    y = torch.arange(size[0], device=base.device) * stride[1]
    x = torch.arange(size[1], device=base.device) * stride[0]
    y, x = torch.meshgrid(y, x, indexing="ij")
    return (torch.stack((x, y, x, y), -1).to(base.dtype)[..., None, :] + base).view(-1, 4)


def apply_deltas(boxes: Tensor, deltas: Tensor, coding: DeltaCoding, content: Tensor) -> Tensor:
    """Move and scale boxes `[B, N, 1 or C, 4]` by `deltas` `[B, N, C, 4]`; clip them to each picture's `content`.

    content `[B, 2]`: width and height. Returns `[B, N, C, 4]`.
    """
    dx, dy, dw, dh = (
        deltas[..., axis] * std + mean for axis, (mean, std) in enumerate(zip(coding.means, coding.stds, strict=True))
    )
    x1, y1, x2, y2 = boxes.unbind(-1)
    width, height = x2 - x1, y2 - y1
    x = (x1 + x2) * 0.5 + width * dx
    y = (y1 + y2) * 0.5 + height * dy
    half_width = width * dw.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() * 0.5
    half_height = height * dh.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).exp() * 0.5
    moved = torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), -1)
    limits = torch.cat((content, content), 1)[:, None, None]
    return torch.minimum(moved.clamp_min(0), limits)


def propose(
    levels: Sequence[tuple[Tensor, Tensor, Tensor]],
    coding: DeltaCoding,
    content: Tensor,
    settings: ProposalSettings,
    fixed: bool = True,
) -> tuple[Tensor, Tensor]:
    """Return region proposals: boxes `[B, N, 4]` and scores `[B, N]`, best first.

    levels: objectness logits `[B, A, h, w]`, deltas `[B, 4 · A, h, w]` and anchors `[h · w · A, 4]` of each level.
    Suppression is within a level. N is `settings.count`, or the number of anchors if that is lower.
    """
    boxes: list[Tensor] = []
    scores: list[Tensor] = []
    for logits, deltas, level_anchors in levels:
        score = logits.float().permute(0, 2, 3, 1).flatten(1).sigmoid()
        score, rows = score.topk(min(settings.anchors_per_level, score.shape[1]))
        delta = deltas.float().permute(0, 2, 3, 1).reshape(len(logits), -1, 4)
        delta = delta.gather(1, rows[..., None].expand(-1, -1, 4))
        box = apply_deltas(level_anchors[rows][:, :, None], delta[:, :, None], coding, content)[:, :, 0]
        if settings.min_side >= 0:
            score = score * (box[..., 2:] - box[..., :2] > settings.min_side).all(-1)
        boxes.append(box)
        scores.append(score * nms_mask(box, score, settings.threshold, fixed=fixed))
    all_scores = torch.cat(scores, 1)
    best, rows = all_scores.topk(min(settings.count, all_scores.shape[1]))
    return torch.cat(boxes, 1).gather(1, rows[..., None].expand(-1, -1, 4)), best


def boxes_of_class(boxes: Tensor, labels: Tensor) -> Tensor:
    """Select the box of each row's class: boxes `[B, N, 1 or C, 4]`, labels `[B, N]` → `[B, N, 1, 4]`."""
    if boxes.shape[2] == 1:
        return boxes
    return boxes.gather(2, labels[..., None, None].expand(-1, -1, 1, 4))


MAX_OBJECTS = 32
"""Objects per picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Heads:
    """The networks' outputs for a batch, for decoding.

    `maps`: the pyramid, finest first, `[B, c, H / stride, W / stride]`. `levels`: objectness logits `[B, A, h, w]` and
    deltas `[B, 4 · A, h, w]` of each map. `content` float32 `[B, 2]`: width and height of each picture without its
    padding.
    """

    maps: list[Tensor]
    levels: list[tuple[Tensor, Tensor]]
    content: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class PackedRegions:
    """A batch's detections in one tensor, so that one copy moves them all.

    `packed` float32 `[B, layout.rows, 6]`: x1, y1, x2, y2 in input pixels, score, class. `layout` gives the order of
    the rows.
    """

    packed: Tensor
    layout: RegionLayout


class CascadeRCNN(nn.Module):
    """The region network: `maps, heads = net(pictures, content); regions = net.decode(heads, 32)`."""

    def __init__(self, model: nn.Module, description: DetectorDescription, parts: Sequence[str] = PARTS) -> None:
        """Take over mmdet's `model`, which is modified: batch norm is folded into the convolutions.

        `parts` are the vocabulary's. Raises `DetectorError` unless the model is a Cascade or Faster R-CNN whose options
        are supported.
        """
        super().__init__()
        self.description = description
        self.fixed_shapes: bool | None = None
        """Whether all shapes in decoding must be independent of values; None: on CUDA only."""
        self.precision = torch.float32
        """Compute precision of the networks; maps, boxes and scores are always float32."""
        self.classes = RegionClasses.of(description.classes, parts)
        _check_supported(model)
        mmdet_model: Any = model
        preprocessor, rpn, roi = mmdet_model.data_preprocessor, mmdet_model.rpn_head, mmdet_model.roi_head
        self.backbone: nn.Module = mmdet_model.backbone
        self.neck: nn.Module = mmdet_model.neck
        self.rpn: nn.Module = rpn
        self.box_heads = nn.ModuleList(_as_list(roi.bbox_head))
        self._reads_bgr = not preprocessor._channel_conversion
        self._size_multiple = size_multiple(description)
        self._anchor_strides = [(int(x), int(y)) for x, y in rpn.prior_generator.strides]
        self._rpn_coding = _coding(rpn)
        self._proposals = _proposal_settings(rpn.test_cfg)
        self._codings = [_coding(head) for head in self.box_heads]
        self._poolings = [_pooling(extractor) for extractor in _as_list(roi.bbox_roi_extractor)]
        self._detections = _detection_settings(roi.test_cfg)
        # Buffers, so that they are on the device: copying them there for each batch would wait for the device.
        self.mean: Tensor
        self.std: Tensor
        self.kinds: Tensor
        self.base_anchors: Tensor
        self.register_buffer("mean", preprocessor.mean.flatten(), persistent=False)
        self.register_buffer("std", preprocessor.std.flatten(), persistent=False)
        self.register_buffer("kinds", torch.tensor(kinds_of(self.classes)), persistent=False)
        self.register_buffer("base_anchors", torch.stack(rpn.prior_generator.base_anchors), persistent=False)
        self._fold_batch_norm()
        self._channels_last = [_read_channels_last(head) for head in self.box_heads]
        self.eval()
        self.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @classmethod
    def load(cls, path: Path, config: str | Path | None = None, parts: Sequence[str] = PARTS) -> CascadeRCNN:
        """Load a detector file of partstream, or an mmdet `.pth` with its configuration (see `detector_file.read`).

        Raises `DetectorError`, and `ImportError` if the extra `mmdet` is not installed.
        """
        return cls.of(detector_file.read(path, config), parts)

    @classmethod
    def of(cls, stored: StoredDetector, parts: Sequence[str] = PARTS) -> CascadeRCNN:
        """Build the detector from the content of a file or checkpoint. Raises as `load`; errors name the source."""
        return cls(stored.model(), stored.description, parts)

    def slot_format(self, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> SlotFormat:
        """Return the format of the pictures that the network reads (`detector_model.picture_format`)."""
        return picture_format(self.description, source_size, detector_size)

    @torch.no_grad()
    def forward(self, pictures: Tensor, content: Tensor) -> tuple[dict[int, Tensor], Heads]:
        """Compute maps by stride, `[B, c, H / stride, W / stride]`, and the heads.

        pictures `[B, H, W, 3]` uint8 RGB; content float32 `[B, 2]`: their width and height without padding; both on the
        model's device.
        """
        multiple = self._size_multiple
        if pictures.shape[1] % multiple or pictures.shape[2] % multiple:
            raise ValueError(f"height and width must be multiples of {multiple}, not {tuple(pictures.shape[1:3])}")
        with computing_in(self.precision, pictures.device):
            features = list(self.neck(self.backbone(self._normalised(pictures, content))))
            logits, deltas = self.rpn(features)
        maps = [level.float() for level in features]
        levels = [(logit.float(), delta.float()) for logit, delta in zip(logits, deltas, strict=True)]
        by_stride = {stride[0]: level for stride, level in zip(self._anchor_strides, maps, strict=True)}
        return by_stride, Heads(maps, levels, content)

    @torch.no_grad()
    def decode(self, heads: Heads, max_people: int) -> PackedRegions:
        """Return the regions of each picture, best first.

        At most `max_people` people, as many boxes of each part, and `MAX_OBJECTS` objects.
        """
        return self.pack(self.boxes(heads), max_people)

    def pack(self, boxes: Tensor, max_people: int) -> PackedRegions:
        """Select the regions among all `boxes`; the last step of `decode`."""
        layout = RegionLayout(max_people, len(self.classes.parts), max_people, MAX_OBJECTS)
        return PackedRegions(sort_regions(boxes, self.kinds, layout), layout)

    @torch.no_grad()
    def boxes(self, heads: Heads) -> Tensor:
        """Return all boxes of each picture as mmdet does: `[B, R, 6]`, best first; R is `max_per_img`."""
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
            # torchvision's RoIAlign would copy channels-last maps at every stage.
            maps = [level.contiguous() for level in maps]
        pyramid = Pyramid(maps)
        logits: list[Tensor] = []
        for stage, (head, coding, pooling) in enumerate(
            zip(self.box_heads, self._codings, self._poolings, strict=True)
        ):
            regions = pool(pyramid, boxes.flatten(2), pooling, fixed)
            with computing_in(self.precision, regions.device):
                stage_logits, deltas = head(
                    regions.flatten(1) if self._channels_last[stage] else regions.permute(0, 3, 1, 2)
                )
            stage_logits = stage_logits.float().view(batch, count, -1)
            refined = apply_deltas(
                boxes.view(batch, count, 1, 4), deltas.float().view(batch, count, -1, 4), coding, heads.content
            )
            logits.append(stage_logits)
            # The next stage pools the box of the likeliest class; the last stage keeps the boxes of all classes.
            last = stage == len(self.box_heads) - 1
            boxes = refined if last else boxes_of_class(refined, stage_logits[..., :-1].argmax(-1))
        probabilities = (sum(logits[1:], logits[0]) / len(logits)).softmax(-1)[..., :-1]
        return select_detections(boxes, probabilities * (scores > 0)[..., None], self._detections, fixed)

    def _normalised(self, pictures: Tensor, content: Tensor) -> Tensor:
        """Return normalised pictures `[B, 3, H, W]`, with the mean colour (zero) in the padding."""
        _, height, width, _ = pictures.shape
        x = pictures.permute(0, 3, 1, 2).to(self.mean.dtype)
        if self._reads_bgr:
            x = x.flip(1)
        x = (x - self.mean[:, None, None]) / self.std[:, None, None]
        columns = torch.arange(width, device=x.device) < content[:, :1]
        rows = torch.arange(height, device=x.device) < content[:, 1:]
        return (x * (rows[:, None, :, None] & columns[:, None, None, :])).contiguous(memory_format=torch.channels_last)

    def _fold_batch_norm(self) -> None:
        mmcv_ops.provide()
        from mmcv.cnn import fuse_conv_bn

        for network in (self.backbone, self.neck, self.rpn, self.box_heads):
            fuse_conv_bn(network)
        self.requires_grad_(False)


def _as_list(modules: Any) -> list[Any]:
    return list(modules) if isinstance(modules, nn.ModuleList) else [modules]


def _read_channels_last(head: Any) -> bool:
    """Reorder the weights of a head's first layer to read regions in channels-last order.

    Returns whether that was possible: the layer must be fully connected. This saves reordering every region.
    """
    if head.num_shared_convs or not head.num_shared_fcs or head.with_avg_pool:
        return False
    layer = head.shared_fcs[0]
    weight = layer.weight.unflatten(1, (head.in_channels, -1)).transpose(1, 2).flatten(1)
    layer.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
    return True


def _check_supported(model: nn.Module) -> None:
    """Raise `DetectorError` naming the field if the model has options that this module does not implement."""
    from mmdet.models.roi_heads import CascadeRoIHead, StandardRoIHead
    from mmdet.models.roi_heads.bbox_heads import BBoxHead
    from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
    from mmdet.models.task_modules.coders import DeltaXYWHBBoxCoder
    from mmdet.models.task_modules.prior_generators import AnchorGenerator

    def require(holds: bool, field: str, wanted: str) -> None:
        if not holds:
            raise DetectorError(f"{field} must be {wanted}; only Cascade and Faster R-CNN detectors are supported")

    rpn, roi = getattr(model, "rpn_head", None), getattr(model, "roi_head", None)
    require(rpn is not None, "model", "a two-stage detector with an rpn_head")
    require(type(roi) in (CascadeRoIHead, StandardRoIHead), "model.roi_head.type", "CascadeRoIHead or StandardRoIHead")
    mmdet_model: Any = model
    rpn, roi = mmdet_model.rpn_head, mmdet_model.roi_head
    require(hasattr(mmdet_model, "neck"), "model.neck", "a pyramid such as FPN")
    require(type(rpn.prior_generator) is AnchorGenerator, "model.rpn_head.anchor_generator.type", "AnchorGenerator")
    require(rpn.use_sigmoid_cls, "model.rpn_head.loss_cls.use_sigmoid", "true")
    require(type(rpn.bbox_coder) is DeltaXYWHBBoxCoder, "model.rpn_head.bbox_coder.type", "DeltaXYWHBBoxCoder")
    for head in _as_list(roi.bbox_head):
        coder = head.bbox_coder
        require(isinstance(head, BBoxHead) and head.with_reg, "model.roi_head.bbox_head.type", "a box head")
        require(type(coder) is DeltaXYWHBBoxCoder, "model.roi_head.bbox_head.bbox_coder.type", "DeltaXYWHBBoxCoder")
        require(not head.custom_activation, "model.roi_head.bbox_head.loss_cls", "a softmax loss")
    for extractor in _as_list(roi.bbox_roi_extractor):
        require(type(extractor) is SingleRoIExtractor, "model.roi_head.bbox_roi_extractor.type", "SingleRoIExtractor")
        require(
            all(getattr(layer, "pool_mode", None) == "avg" for layer in extractor.roi_layers),
            "model.roi_head.bbox_roi_extractor.roi_layer",
            "RoIAlign with average pooling",
        )
    for field, settings in (("rpn", rpn.test_cfg), ("rcnn", roi.test_cfg)):
        require(settings.nms.get("type", "nms") == "nms", f"model.test_cfg.{field}.nms.type", "nms")
    preprocessor = mmdet_model.data_preprocessor
    require(preprocessor._enable_normalize, "model.data_preprocessor", "one with `mean` and `std`")
    require(preprocessor.pad_value == 0, "model.data_preprocessor.pad_value", "0")


def _coding(head: Any) -> DeltaCoding:
    coder = head.bbox_coder
    return DeltaCoding(tuple(map(float, coder.means)), tuple(map(float, coder.stds)))


def _proposal_settings(settings: Any) -> ProposalSettings:
    nms_pre = int(settings.get("nms_pre", -1))
    return ProposalSettings(
        nms_pre if nms_pre > 0 else 1 << 31,
        int(settings.max_per_img),
        float(settings.nms.iou_threshold),
        float(settings.get("min_bbox_size", -1)),
    )


def _detection_settings(settings: Any) -> DetectionSettings:
    return DetectionSettings(float(settings.score_thr), float(settings.nms.iou_threshold), int(settings.max_per_img))


def _pooling(extractor: Any) -> Pooling:
    layer = extractor.roi_layers[0]
    return Pooling(
        tuple(int(stride) for stride in extractor.featmap_strides),
        (int(layer.output_size[0]), int(layer.output_size[1])),
        int(layer.sampling_ratio),
        bool(layer.aligned),
        float(extractor.finest_scale),
    )
