"""Replacement for `mmcv._ext`, the compiled operators that mmdet's detectors need, with those of torchvision.

The package `mmcv-lite` is a wheel without that extension. Full mmcv has it but takes half an hour to compile where no
wheel fits. A two-stage detector calls three of its operators, and torchvision has all three. `provide` installs the
replacement for the life of the process, unless the compiled extension is available.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NoReturn

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from stages.third_party.weights import cache_dir

EXTENSION = "mmcv._ext"
_AVERAGE = 1
"""mmcv's `pool_mode` for average pooling, the only one that torchvision has."""
_LOCK_WAIT_S = 60.0


def provide() -> None:
    """Make `import mmdet` work with or without the compiled extension; call this before every such import.

    Raises `ImportError` naming the package to install if the extra `mmdet` is missing.
    """
    if EXTENSION in sys.modules:
        return
    for package in ("mmengine", "mmcv", "mmdet"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"Cascade R-CNN needs {package}: pip install 'partstream[mmdet]'", name=package)
    _import_mmengine()
    if importlib.util.find_spec(EXTENSION) is None:
        # Imported here because it takes 1.4 s, which checkpoints without such a detector need not wait for.
        importlib.import_module("torchvision.ops")
        sys.modules[EXTENSION] = TorchvisionOps()


def _import_mmengine() -> None:
    """Import mmengine's configurations in one process at a time.

    They import yapf, whose first import writes its grammar to the user's cache in such a way that another process can
    read an empty file and fail. Without a lock, where none can be had, the import is as good as mmengine's own.
    """
    lock = cache_dir() / "locks" / "mmengine.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_LOCK_WAIT_S):
            importlib.import_module("mmengine.config")
    except (OSError, Timeout):
        importlib.import_module("mmengine.config")


class TorchvisionOps(ModuleType):
    """The replacement module, with mmcv's signatures.

    An operator that torchvision lacks fails when it is called, not when it is imported, because mmcv imports them all.
    """

    def __init__(self) -> None:
        super().__init__(EXTENSION, __doc__)
        self.__spec__ = importlib.machinery.ModuleSpec(EXTENSION, None)

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith("__"):
            raise AttributeError(name)

        def missing(*_: object, **__: object) -> NoReturn:
            raise NotImplementedError(
                f"torchvision lacks mmcv's operator {name}; a detector that needs it requires full mmcv "
                "(pip uninstall mmcv-lite; pip install mmcv==2.1.0, which may compile for half an hour)"
            )

        return missing

    @staticmethod
    def nms(bboxes: Tensor, scores: Tensor, iou_threshold: float, offset: int) -> Tensor:
        """Return the rows that stay, best first, int64. bboxes `[n, 4]`, scores `[n]`; a side is x2 − x1 + `offset`."""
        from torchvision.ops import nms as torchvision_nms

        if offset:
            bboxes = bboxes + bboxes.new_tensor([0, 0, offset, offset])
        return torchvision_nms(bboxes, scores, iou_threshold)

    @staticmethod
    def roi_align_forward(
        input: Tensor,
        rois: Tensor,
        output: Tensor,
        argmax_y: Tensor,
        argmax_x: Tensor,
        aligned_height: int,
        aligned_width: int,
        spatial_scale: float,
        sampling_ratio: int,
        pool_mode: int,
        aligned: bool,
    ) -> None:
        """Fill `output` `[n, c, h, w]` from `input` `[B, c, H, W]` at `rois` `[n, 5]` (picture, x1, y1, x2, y2)."""
        from torchvision.ops import roi_align

        _require_average(pool_mode)
        size = (aligned_height, aligned_width)
        output.copy_(roi_align(input, rois.to(input.dtype), size, spatial_scale, sampling_ratio, aligned))

    @staticmethod
    def roi_align_backward(
        grad_output: Tensor,
        rois: Tensor,
        argmax_y: Tensor,
        argmax_x: Tensor,
        grad_input: Tensor,
        aligned_height: int,
        aligned_width: int,
        spatial_scale: float,
        sampling_ratio: int,
        pool_mode: int,
        aligned: bool,
    ) -> None:
        """Fill `grad_input` `[B, c, H, W]` from `grad_output` `[n, c, h, w]`."""
        _require_average(pool_mode)
        if grad_output.device.type == "cpu" and aligned and sampling_ratio == 0:
            # Imported here because it imports torchvision.
            from stages.detection.cascade_rcnn.region_pooling import gradient_of_map

            grad_input.copy_(gradient_of_map(grad_output, rois, grad_input.shape, spatial_scale))
            return
        backward = torch.ops.torchvision._roi_align_backward
        rois = rois.to(grad_output.dtype)
        size = (aligned_height, aligned_width)
        grad_input.copy_(backward(grad_output, rois, spatial_scale, *size, *grad_input.shape, sampling_ratio, aligned))


def _require_average(pool_mode: int) -> None:
    if pool_mode != _AVERAGE:
        raise NotImplementedError(
            "torchvision's RoIAlign only supports average pooling: set the detector's roi_layer.pool_mode to 'avg'"
        )
