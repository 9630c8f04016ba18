"""The replacement for mmcv's compiled operators."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.ops
from torch import Tensor

from stages.detection.cascade_rcnn import mmcv_ops


@pytest.fixture(scope="module")
def ops() -> Any:
    """Return mmcv's operators, which need `provide` first, and whose import takes seconds of each worker."""
    mmcv_ops.provide()
    return importlib.import_module("mmcv.ops")


def random_boxes(count: int, generator: torch.Generator, side: float = 40.0) -> Tensor:
    corner = torch.rand(count, 2, generator=generator) * side
    return torch.cat((corner, corner + 1 + torch.rand(count, 2, generator=generator) * side / 2), 1)


@pytest.mark.parametrize("sampling_ratio", [0, 2])
@pytest.mark.parametrize("aligned", [True, False])
def test_regions_and_gradients_equal_those_of_torchvision(ops: Any, sampling_ratio: int, aligned: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    maps = torch.randn(2, 5, 12, 16, generator=generator)
    picture = torch.randint(0, 2, (9, 1), generator=generator).float()
    rois = torch.cat((picture, random_boxes(9, generator)), 1)
    ours, theirs = maps.clone().requires_grad_(), maps.clone().requires_grad_()
    pooled = ops.roi_align(ours, rois, (7, 5), 0.25, sampling_ratio, "avg", aligned)
    wanted = torchvision.ops.roi_align(theirs, rois, (7, 5), 0.25, sampling_ratio, aligned)
    torch.testing.assert_close(pooled, wanted, rtol=0, atol=0)
    weights = torch.randn(pooled.shape, generator=generator)
    (pooled * weights).sum().backward()
    (wanted * weights).sum().backward()
    assert ours.grad is not None and theirs.grad is not None and ours.grad.abs().max() > 0
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("ops")
def test_the_compiled_extension_is_preferred_if_it_is_available(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_ext.py").write_text("compiled = True\n")
    mmcv = importlib.import_module("mmcv")
    monkeypatch.setattr(mmcv, "__path__", [*mmcv.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, mmcv_ops.EXTENSION)
    importlib.invalidate_caches()
    mmcv_ops.provide()
    assert mmcv_ops.EXTENSION not in sys.modules
    assert importlib.import_module(mmcv_ops.EXTENSION).compiled


def test_without_the_extra_the_error_names_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.delitem(sys.modules, mmcv_ops.EXTENSION)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "mmdet" else find(name))
    with pytest.raises(ImportError, match=r"needs mmdet: pip install 'partstream\[mmdet\]'"):
        mmcv_ops.provide()
