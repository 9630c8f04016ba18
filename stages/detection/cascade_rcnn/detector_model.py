"""Descriptions of detectors, from which mmdet builds models.

A description contains all that is needed to rebuild a detector without any other file: mmdet's `model` section, the
names of the classes in the order of its outputs, and the size that pictures are scaled to. See docs/method.md,
"Detection".
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import nn

from ring_buffers.frames import SlotFormat
from stages.detection.cascade_rcnn import mmcv_ops
from stages.detection.detections import DetectorError

COCO_CONFIG = "cascade_rcnn/cascade-rcnn_r50_fpn_1x_coco"
"""mmdet's name of the paper's detector: Cascade R-CNN, ResNet-50, FPN."""
PAPER_SCALE = (455, 256)
"""Longer and shorter side. The paper scales the shorter side to 256; 455 is the longer one of a 16:9 picture."""
PAPER_BOXES = 300
"""Boxes per picture. mmdet's 100 are too few for ten people with ten parts each."""
PAPER_ANCHOR_SCALE = 4
"""The smallest anchors have 16 pixels, the size of a hand in the paper's pictures; mmdet's have 32."""


@dataclass(frozen=True, slots=True)
class DetectorDescription:
    """A detector as data.

    `model`: mmdet's section of that name. `classes`: person, all parts or none, and objects, in any order. `scale`:
    (longer, shorter) side that pictures are scaled to fit into, keeping their aspect ratio. `trained` is false for
    random weights.
    """

    model: Mapping[str, Any]
    classes: tuple[str, ...]
    scale: tuple[int, int]
    trained: bool = False
    metrics: Mapping[str, Any] = field(default_factory=dict[str, Any])
    training_command: str = ""

    def to_json(self) -> str:
        """Return the description as a JSON object."""
        names = ("model", "classes", "scale", "trained", "metrics", "training_command")
        return json.dumps({name: getattr(self, name) for name in names}, ensure_ascii=False)

    @staticmethod
    def from_json(text: str, where: str) -> DetectorDescription:
        """Read what `to_json` wrote. Raises `DetectorError` naming `where` and the field."""
        try:
            content = json.loads(text)
            longer, shorter = (int(side) for side in content["scale"])
            return DetectorDescription(
                dict(content["model"]),
                tuple(map(str, content["classes"])),
                (longer, shorter),
                bool(content["trained"]),
                dict(content["metrics"]),
                str(content["training_command"]),
            )
        except KeyError as error:
            raise DetectorError(f"{where}: the detector's description lacks {error}") from None
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise DetectorError(f"{where}: the detector's description can't be read: {error}") from None


def read_config(config: str | Path) -> tuple[dict[str, Any], tuple[int, int]]:
    """Read the `model` section of a configuration and the (longer, shorter) side of its pictures.

    `config` is a path, or the name of a configuration that mmdet ships (`COCO_CONFIG`). mmdet's configurations are
    Python programs: read only those that you trust. Raises `DetectorError`.
    """
    mmcv_ops.provide()
    import mmdet
    from mmengine.config import Config

    path = Path(config)
    if path.suffix != ".py":
        path = Path(mmdet.__file__).parent / ".mim" / "configs" / f"{config}.py"
    if not path.is_file():
        raise DetectorError(f"{config}: neither a file nor the name of an mmdet configuration such as {COCO_CONFIG}")
    try:
        read = Config.fromfile(path)
    except Exception as error:  # A configuration is a program and may raise anything.
        raise DetectorError(f"{path}: mmengine can't read this configuration: {error}") from error
    if "model" not in read:
        raise DetectorError(f"{path}: the configuration has no `model`; use the configuration of a complete detector")
    return _plain(read.model), _scale(read, path)


def paper_detector(classes: Sequence[str]) -> DetectorDescription:
    """Describe the paper's detector for these classes, with random weights. See docs/method.md, "Detection"."""
    model, _ = read_config(COCO_CONFIG)
    model["backbone"]["init_cfg"] = None
    model["rpn_head"]["anchor_generator"]["scales"] = [PAPER_ANCHOR_SCALE]
    model["test_cfg"]["rcnn"]["max_per_img"] = PAPER_BOXES
    return for_classes(DetectorDescription(model, (), PAPER_SCALE), classes)


def narrow_detector(classes: Sequence[str]) -> DetectorDescription:
    """Describe a small version of the paper's detector, which learns a small dataset in minutes on a CPU.

    It needs a thirtieth of the multiplications: ResNet-18, an eighth to a quarter of the channels and a tenth of the
    proposals.
    """
    description = paper_detector(classes)
    model: Any = copy.deepcopy(dict(description.model))
    # Trained from scratch, so no layer is frozen and batch norm learns.
    model["backbone"].update(depth=18, base_channels=32, frozen_stages=-1, norm_eval=False)
    model["neck"].update(in_channels=[32, 64, 128, 256], out_channels=64)
    model["rpn_head"].update(in_channels=64, feat_channels=64)
    model["roi_head"]["bbox_roi_extractor"]["out_channels"] = 64
    for head in model["roi_head"]["bbox_head"]:
        head.update(in_channels=64, fc_out_channels=256)
    model["train_cfg"]["rpn_proposal"].update(nms_pre=400, max_per_img=200)
    for stage in model["train_cfg"]["rcnn"]:
        stage["sampler"]["num"] = 128
    model["test_cfg"]["rpn"].update(nms_pre=200, max_per_img=100)
    return replace(description, model=model)


def for_classes(description: DetectorDescription, classes: Sequence[str]) -> DetectorDescription:
    """Return the description with an output for each of these classes."""
    model = copy.deepcopy(dict(description.model))
    heads = model.get("roi_head", {}).get("bbox_head", {})
    for head in heads if isinstance(heads, list) else [heads]:
        head["num_classes"] = len(classes)
    return replace(description, model=model, classes=tuple(classes))


def size_multiple(description: DetectorDescription) -> int:
    """Return the number of which a picture's sides must be multiples."""
    return int(description.model.get("data_preprocessor", {}).get("pad_size_divisor", 1))


def picture_format(
    description: DetectorDescription, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None
) -> SlotFormat:
    """Return the format of a detector's pictures: rgb24, with the source's aspect ratio, padded on the right and below.

    Sizes are (width, height). Without a `detector_size` the picture is the largest that fits into the description's
    `scale`, in portrait or landscape. Raises `ValueError` for sizes below 1.
    """
    width, height = source_size
    if width < 1 or height < 1:
        raise ValueError(f"a source of {width}x{height} pixels is empty")
    if detector_size is None:
        longer, shorter = description.scale
        scale = min(longer / max(width, height), shorter / min(width, height))
    else:
        if min(detector_size) < 1:
            raise ValueError(f"detector_size {detector_size[0]}x{detector_size[1]} must be positive")
        scale = min(detector_size[0] / width, detector_size[1] / height)
    content = (max(1, int(width * scale + 0.5)), max(1, int(height * scale + 0.5)))
    multiple = size_multiple(description)
    size = (-(-content[0] // multiple) * multiple, -(-content[1] // multiple) * multiple)
    return SlotFormat("rgb24", size, content)


def build(description: DetectorDescription, initialise: bool = False) -> nn.Module:
    """Build mmdet's model, in evaluation mode and on the CPU.

    `initialise`: initialise the weights for training, or download those that `init_cfg` names; otherwise the caller
    loads them. Raises `DetectorError` if the description is invalid, `ImportError` without the extra `mmdet`.
    """
    mmcv_ops.provide()
    import mmdet.models  # noqa: F401 - registers the models
    from mmdet.registry import MODELS
    from mmengine.config import ConfigDict
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    try:
        with DefaultScope.overwrite_default_scope("mmdet"):
            model: nn.Module = MODELS.build(ConfigDict(copy.deepcopy(dict(description.model))))
    except Exception as error:  # Constructors may raise anything for invalid arguments.
        raise DetectorError(f"mmdet can't build the detector that `model` describes: {error}") from error
    if initialise:
        # At INFO it logs every tensor.
        MMLogger.get_current_instance().setLevel("WARNING")
        model.init_weights()  # pyright: ignore[reportCallIssue]
    return model.eval()


def _scale(config: Any, path: Path) -> tuple[int, int]:
    """Return the scale of the test pipeline's Resize."""
    pipeline = config.get("test_dataloader", {}).get("dataset", {}).get("pipeline", config.get("test_pipeline", []))
    for step in pipeline:
        scale = step.get("scale")
        if step["type"].rpartition(".")[2] == "Resize" and isinstance(scale, (tuple, list)) and len(scale) == 2:
            return max(scale), min(scale)
    raise DetectorError(f"{path}: the test pipeline has no Resize with a `scale` of two sides; add one")


def _plain(value: Any) -> Any:
    """Convert mmengine's dictionaries, and tuples, to types that JSON supports."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value
