"""Weights of the feature extractor: our own file, torchvision's VGG-16, or a Faster R-CNN that has a VGG-16.

Which layout a file has is seen from its tensors' names (`LAYOUTS`), and how wide it is from their shapes. Owns nothing;
what is loaded belongs to the caller.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.region_features.picture_scaling import Normalisation
from stages.region_features.vgg_features import VggConfig, VggFeatures
from stages.third_party.weights import WeightsError

FORMAT = "partstream.features/1"


@dataclass(frozen=True, slots=True)
class Layout:
    """How one kind of file names its tensors: `trunk` before a layer's number, `fc6` and `fc7` (the first that is
    there), and `others` before the names of what isn't needed here."""

    title: str
    trunk: str
    fc6: tuple[str, ...]
    fc7: tuple[str, ...]
    others: tuple[str, ...]
    normalisation: Normalisation


LAYOUTS = (
    Layout("torchvision's vgg16", "features.", ("classifier.0",), ("classifier.3",), ("classifier.6.",), "imagenet"),
    Layout(
        "torchvision's FasterRCNN over vgg16's features",
        "backbone.",
        ("roi_heads.box_head.fc6",),
        ("roi_heads.box_head.fc7",),
        ("rpn.", "roi_heads.box_predictor."),
        "imagenet",
    ),
    Layout(
        "faster-rcnn.pytorch",
        "RCNN_base.",
        ("RCNN_top.0",),
        ("RCNN_top.3",),
        ("RCNN_rpn.", "RCNN_cls_score.", "RCNN_bbox_pred."),
        "caffe",
    ),
    Layout(
        "pytorch-faster-rcnn",
        "vgg.features.",
        ("vgg.classifier.0",),
        ("vgg.classifier.3",),
        ("rpn_net.", "rpn_cls_score_net.", "rpn_bbox_pred_net.", "cls_score_net.", "bbox_pred_net."),
        "caffe",
    ),
    Layout(
        "simple-faster-rcnn-pytorch",
        "extractor.",
        ("head.classifier.0",),
        ("head.classifier.3", "head.classifier.2"),
        ("rpn.", "head.cls_loc.", "head.score."),
        "imagenet",
    ),
)
"""The files that `load_features` knows beside our own. Those trained on Caffe's VGG-16 want its pictures."""

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Under which a training's file may hold the weights, beside the optimiser and the like."""
_SAID = 8
"""Names that a message lists of each kind."""


def load_features(
    path: Path,
    device: torch.device | str = "cpu",
    *,
    short_side: int = VggConfig().short_side,
    normalisation: Normalisation | None = None,
) -> VggFeatures:
    """Read a file that `save_features` wrote, or one of `LAYOUTS` in torch's format; in evaluation mode, frozen.

    `short_side` and `normalisation` are for files that don't say how they want pictures; by default the latter follows
    from the layout. Raises `WeightsError` naming the file and each tensor that is missing, superfluous or misshapen.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: there are no such feature weights; give torchvision's VGG-16 (`weights fetch vgg16`), the "
            "checkpoint of a Faster R-CNN over a VGG-16, or what training wrote"
        )
    if path.suffix == ".safetensors":
        config, tensors = _own(path)
    else:
        config, tensors = _foreign(path, short_side, normalisation)
    return vgg_from_tensors(config, tensors, str(path)).to(device)


def vgg_from_tensors(config: VggConfig, tensors: Mapping[str, Tensor], where: str) -> VggFeatures:
    """The extractor with these weights, in evaluation mode and frozen. `where` names their source in a `WeightsError`,
    which tells each tensor that is missing, superfluous or misshapen."""
    with torch.device("meta"):
        features = VggFeatures(config)
    wanted = features.state_dict()
    faults = [
        *_listed("missing", sorted(set(wanted) - set(tensors))),
        *_listed("not known", sorted(set(tensors) - set(wanted))),
        *_listed(
            "misshapen",
            [
                f"{name} {list(tensor.shape)} instead of {list(wanted[name].shape)}"
                for name, tensor in tensors.items()
                if name in wanted and tensor.shape != wanted[name].shape
            ],
        ),
    ]
    if faults:
        raise WeightsError(f"{where}: these weights aren't a VGG-16's: {'; '.join(faults)}")
    features.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return features.eval().requires_grad_(False)


def save_features(features: VggFeatures, path: Path) -> None:
    """Write weights and configuration into one safetensors file, whole or not at all. Raises `WeightsError`."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in features.state_dict().items()}
    metadata = {"format": FORMAT, "features": json.dumps(features.config.to_dict())}
    unfinished = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished, metadata)
        unfinished.replace(path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise WeightsError(f"{path}: can't be written: {error}") from None


def _own(path: Path) -> tuple[VggConfig, dict[str, Tensor]]:
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: its format is {metadata.get('format')!r}, feature weights have {FORMAT!r}")
    try:
        return VggConfig.from_dict(json.loads(metadata["features"])), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the metadata `features` can't be used: {error}") from None


def _foreign(path: Path, short_side: int, normalisation: Normalisation | None) -> tuple[VggConfig, dict[str, Tensor]]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A file that is something else ends the reader in any way there is.
        raise WeightsError(f"{path}: not a file of torch's weights, or damaged ({_first_line(error)})") from None
    named = _tensors(content, path)
    layout = next((one for one in LAYOUTS if f"{one.trunk}0.weight" in named), None)
    if layout is None:
        known = ", ".join(f"{one.trunk}0.weight ({one.title})" for one in LAYOUTS)
        raise WeightsError(
            f"{path}: no VGG-16 is recognised in it: it has none of {known}; its tensors begin with "
            f"{', '.join(sorted(named)[:_SAID])}"
        )
    tensors = _renamed(named, layout, path)
    config = _sizes(tensors, layout, path)
    return replace(config, short_side=short_side, normalisation=normalisation or layout.normalisation), tensors


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    """The state dict in what was read, with the prefix that data-parallel training puts before each name taken away."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds {type(content).__name__} where a state dict, tensors by name, was expected")
    named = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if named and all(name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): value for name, value in named.items()}
    return named


def _renamed(named: Mapping[str, Tensor], layout: Layout, path: Path) -> dict[str, Tensor]:
    """A layout's tensors by our names. What the layout doesn't know is an error, and so is what it lacks."""
    layers = {"fc6": _present(layout.fc6, named), "fc7": _present(layout.fc7, named)}
    ours = {f"{theirs}.{kind}": f"{name}.{kind}" for name, theirs in layers.items() for kind in ("weight", "bias")}
    numbers = {name.rsplit(".", 1)[0] for name in VggFeatures(VggConfig(1, 1, 1)).features.state_dict()}
    for number in numbers:
        ours |= {f"{layout.trunk}{number}.{kind}": f"features.{number}.{kind}" for kind in ("weight", "bias")}
    missing = sorted(set(ours) - set(named))
    extra = sorted(name for name in named if name not in ours and not name.startswith(layout.others))
    faults = [*_listed("missing", missing), *_listed("not known", extra)]
    if faults:
        raise WeightsError(f"{path}: looks like {layout.title}, but {'; '.join(faults)}")
    return {ours[name]: tensor for name, tensor in named.items() if name in ours}


def _present(names: tuple[str, ...], named: Mapping[str, Tensor]) -> str:
    return next((name for name in names if f"{name}.weight" in named), names[0])


def _sizes(tensors: Mapping[str, Tensor], layout: Layout, path: Path) -> VggConfig:
    """How wide the file's network is; whether every other tensor fits is seen when they are put in."""
    first, fc6 = tensors["features.0.weight"], tensors["fc6.weight"]
    config = VggConfig(channels=first.shape[0] if first.dim() else 1)
    bins = 0
    if fc6.dim() == 2:
        bins = round((fc6.shape[1] / config.map_channels) ** 0.5)
    if not bins or fc6.shape[1] != config.map_channels * bins**2:
        raise WeightsError(
            f"{path}: {layout.fc6[0]}.weight has shape {list(fc6.shape)}; with {config.map_channels} channels in the "
            f"last map it should read {config.map_channels} times the bins of a region, 49 for 7x7"
        )
    return replace(config, hidden=fc6.shape[0], bins=bins)


def _listed(kind: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _SAID} more" if len(names) > _SAID else ""
    return [f"{kind}: {', '.join(names[:_SAID])}{more}"]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
