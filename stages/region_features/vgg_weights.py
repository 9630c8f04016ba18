"""Weights of the feature extractor: our own format, torchvision's VGG-16, or a Faster R-CNN with a VGG-16.

A file's layout is recognised by its tensors' names (`LAYOUTS`), and the network's width by their shapes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from stages.region_features.vgg_features import Normalisation, VggConfig, VggFeatures
from stages.stored_settings import decoded, encoded
from stages.third_party.weights import WeightsError
from stages.whole_file import whole_file

FORMAT = "partstream.features/1"


@dataclass(frozen=True, slots=True)
class Layout:
    """The names of tensors in one kind of file."""

    title: str
    trunk: str
    """Prefix of a convolution's number."""
    fc6: tuple[str, ...]
    """Possible names; the first that is present is used."""
    fc7: tuple[str, ...]
    """As `fc6`."""
    others: tuple[str, ...]
    """Prefixes of tensors that are not used."""
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
"""The layouts that `load_features` knows besides our own. Those with Caffe's normalisation start from its VGG-16."""

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which a training checkpoint may have the weights."""
_MAX_LISTED = 8
"""Greatest number of names in a message."""


def load_features(
    path: Path,
    device: torch.device | str = "cpu",
    *,
    short_side: int = VggConfig().short_side,
    normalisation: Normalisation | None = None,
) -> VggFeatures:
    """Return the extractor in a file of `save_features` or of one of `LAYOUTS` in torch's format.

    It is in evaluation mode and frozen. `short_side` and `normalisation` apply to files in torch's format; by default
    the latter follows from the layout. Raises `WeightsError` with the file and each tensor that is missing, unknown or
    misshapen.
    """
    if not path.is_file():
        raise WeightsError(
            f"{path}: there are no such feature weights; give torchvision's VGG-16 (`partstream weights fetch vgg16`), "
            "the checkpoint of a Faster R-CNN with a VGG-16, or a file that training wrote"
        )
    if path.suffix == ".safetensors":
        config, tensors = _read_own_format(path)
    else:
        config, tensors = _read_torch_format(path, short_side, normalisation)
    return vgg_from_tensors(config, tensors, str(path)).to(device)


def vgg_from_tensors(config: VggConfig, tensors: Mapping[str, Tensor], where: str) -> VggFeatures:
    """Return an extractor with these weights, in evaluation mode and frozen.

    Raises `WeightsError` with their source `where` and each tensor that is missing, unknown or misshapen.
    """
    with torch.device("meta"):
        features = VggFeatures(config)
    expected = features.state_dict()
    errors = [
        *_listed("missing", sorted(set(expected) - set(tensors))),
        *_listed("unknown", sorted(set(tensors) - set(expected))),
        *_listed(
            "misshapen",
            [
                f"{name} {list(tensor.shape)} instead of {list(expected[name].shape)}"
                for name, tensor in tensors.items()
                if name in expected and tensor.shape != expected[name].shape
            ],
        ),
    ]
    if errors:
        raise WeightsError(f"{where}: these are not the weights of a VGG-16: {'; '.join(errors)}")
    features.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return features.eval().requires_grad_(False)


def save_features(features: VggFeatures, path: Path) -> None:
    """Write weights and configuration atomically into one safetensors file. Raises `WeightsError`."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in features.state_dict().items()}
    metadata = {"format": FORMAT, "features": encoded(features.config)}
    try:
        with whole_file(path) as unfinished:
            save_file(tensors, unfinished, metadata)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: can't be written: {error}") from None


def _read_own_format(path: Path) -> tuple[VggConfig, dict[str, Tensor]]:
    try:
        with safe_open(os.fspath(path), framework="pt", device="cpu") as file:
            metadata: dict[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path}: its format is {metadata.get('format')!r}, feature weights have {FORMAT!r}")
    try:
        return decoded(VggConfig, metadata["features"], "features"), tensors
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path}: the metadata `features` can't be used: {error}") from None


def _read_torch_format(
    path: Path, short_side: int, normalisation: Normalisation | None
) -> tuple[VggConfig, dict[str, Tensor]]:
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # files of other formats cause errors of many classes
        raise WeightsError(f"{path}: not a file of torch weights, or damaged ({_first_line(error)})") from None
    named = _state_dict(content, path)
    layout = next((one for one in LAYOUTS if f"{one.trunk}0.weight" in named), None)
    if layout is None:
        known = ", ".join(f"{one.trunk}0.weight ({one.title})" for one in LAYOUTS)
        raise WeightsError(
            f"{path}: no VGG-16 is recognised in it: it has none of {known}; its first tensors are "
            f"{', '.join(sorted(named)[:_MAX_LISTED])}"
        )
    tensors = _renamed(named, layout, path)
    config = _config_from_shapes(tensors, layout, path)
    return replace(config, short_side=short_side, normalisation=normalisation or layout.normalisation), tensors


def _state_dict(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dict in a file's content, without the prefix `module.` of data-parallel training."""
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: contains a {type(content).__name__}, not a state dict (tensors by name)")
    named = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if named and all(name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): value for name, value in named.items()}
    return named


def _renamed(named: Mapping[str, Tensor], layout: Layout, path: Path) -> dict[str, Tensor]:
    """Return a layout's tensors under our names. Raises `WeightsError` for missing and unknown tensors."""
    layers = {"fc6": _present(layout.fc6, named), "fc7": _present(layout.fc7, named)}
    ours = {f"{theirs}.{kind}": f"{name}.{kind}" for name, theirs in layers.items() for kind in ("weight", "bias")}
    numbers = {name.rsplit(".", 1)[0] for name in VggFeatures(VggConfig(1, 1, 1)).features.state_dict()}
    for number in numbers:
        ours |= {f"{layout.trunk}{number}.{kind}": f"features.{number}.{kind}" for kind in ("weight", "bias")}
    missing = sorted(set(ours) - set(named))
    unknown = sorted(name for name in named if name not in ours and not name.startswith(layout.others))
    errors = [*_listed("missing", missing), *_listed("unknown", unknown)]
    if errors:
        raise WeightsError(f"{path}: looks like {layout.title}, but {'; '.join(errors)}")
    return {ours[name]: tensor for name, tensor in named.items() if name in ours}


def _present(names: tuple[str, ...], named: Mapping[str, Tensor]) -> str:
    return next((name for name in names if f"{name}.weight" in named), names[0])


def _config_from_shapes(tensors: Mapping[str, Tensor], layout: Layout, path: Path) -> VggConfig:
    """Return the sizes of a file's network. The shapes of all tensors are checked later, in `vgg_from_tensors`."""
    first, fc6 = tensors["features.0.weight"], tensors["fc6.weight"]
    config = VggConfig(channels=first.shape[0] if first.dim() else 1)
    bins = 0
    if fc6.dim() == 2:
        bins = round((fc6.shape[1] / config.map_channels) ** 0.5)
    if not bins or fc6.shape[1] != config.map_channels * bins**2:
        raise WeightsError(
            f"{path}: {layout.fc6[0]}.weight has shape {list(fc6.shape)}; with {config.map_channels} channels in the "
            f"last feature map, its second size should be {config.map_channels} times the bins of a region (49 for 7x7)"
        )
    return replace(config, hidden=fc6.shape[0], bins=bins)


def _listed(kind: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    return [f"{kind}: {', '.join(names[:_MAX_LISTED])}{more}"]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
