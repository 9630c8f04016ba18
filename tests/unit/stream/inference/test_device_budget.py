"""At start-up the largest batch is tried on the device; the size is reduced until it fits, or refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages.device.halving import Halving, TooLargeError
from stages.free_model import FreeModel
from stages.pipeline import bytes_of, device_memory
from stages.types import DeviceMemory
from stream.config import Config
from stream.inference.device_budget import rehearse
from stream.inference.model_loading import load_model
from stream.settings.config_error import ConfigError
from telemetry.observer import Observer


class Card(FreeModel):
    """A model on a device with memory for `holds` pixels."""

    def __init__(self, holds: int) -> None:
        super().__init__()
        self.holds = holds
        self.shown: list[tuple[int, tuple[int, int], tuple[int, int] | None]] = []

    def device_memory(self) -> DeviceMemory | None:
        return DeviceMemory("cuda:0", 20 << 20, 3 << 20, 500 << 20, 900 << 20, 8000 << 20)

    def rehearse(self, frames: int, source_size: tuple[int, int], detector_size: tuple[int, int] | None = None) -> None:
        self.shown.append((frames, source_size, detector_size))
        width, height = detector_size or (768, 432)
        if frames * width * height > self.holds:
            raise TooLargeError from MemoryError("CUDA out of memory")


class Told(Observer):
    def __init__(self) -> None:
        self.memory: dict[str, int] = {}

    def device_memory(self, kind: str, size: int) -> None:
        self.memory[kind] = size


def configured(*sizes: tuple[int, int] | None) -> Config:
    cameras = [{"id": f"c{n}", "source": "pattern:", "detector_size": size} for n, size in enumerate(sizes)]
    return Config.model_validate({"cameras": cameras})


def at_once() -> Halving:
    return Halving("detection", "frames", Observer())


def test_the_largest_batch_of_each_size_is_tried_once() -> None:
    card, told = Card(10**9), Told()
    halving = at_once()
    rehearse(card, configured((256, 256), (256, 256), None), halving, told)
    assert sorted(card.shown, key=str) == [(8, (1920, 1080), None), (8, (256, 256), (256, 256))]
    assert halving.limit is None
    mebibytes = {kind: size >> 20 for kind, size in told.memory.items()}
    assert mebibytes == {"weights": 20, "states": 3, "peak": 500, "free": 900, "total": 8000}


def test_without_cameras_the_default_picture_size_is_tried() -> None:
    card = Card(10**9)
    rehearse(card, configured(), at_once(), Observer())
    assert card.shown == [(8, (1920, 1080), None)]


def test_a_batch_that_does_not_fit_logs_a_warning_with_the_batch_that_does_and_the_settings(
    caplog: pytest.LogCaptureFixture,
) -> None:
    halving = at_once()
    rehearse(Card(2 * 768 * 576), configured((768, 576)), halving, Observer())
    assert halving.limit == 2
    assert "at most 2" in caplog.messages[-1] and "batch.max_frames" in caplog.messages[-1]


def test_a_device_too_small_for_one_picture_is_refused_with_the_use_of_memory() -> None:
    with pytest.raises(ConfigError) as fault:
        rehearse(Card(1000), configured((768, 576)), at_once(), Observer())
    for said in ("768x576", "cuda:0", "20 MiB", "900 of 8000 MiB", "cameras[].detector_size", "model.state_slots"):
        assert said in str(fault.value)


def test_on_a_cpu_and_for_other_models_nothing_is_tried() -> None:
    class OnCpu(Card):
        def device_memory(self) -> DeviceMemory | None:
            return None

    card = OnCpu(0)
    rehearse(card, configured(None), at_once(), Observer())
    rehearse(FreeModel(), configured(None), at_once(), Observer())
    assert card.shown == []
    assert device_memory(torch.device("cpu"), [], 0) is None


def test_a_model_that_does_not_fit_onto_the_device_is_refused_with_settings_to_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("stages.profiles.load_profile", full)
    with pytest.raises(ConfigError, match=r"256 people.*model\.state_slots.*model\.device"):
        load_model(configured(), Observer())


def test_shared_weights_count_once() -> None:
    layer = nn.Linear(3, 4)
    assert bytes_of([layer, nn.Sequential(layer), "no network"]) == (3 * 4 + 4) * 4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_what_is_allocated_counts_and_what_torch_keeps_is_free() -> None:
    device = torch.device("cuda")
    before = device_memory(device, [], 0)
    held = torch.zeros(64 << 20, dtype=torch.uint8, device=device)
    during = device_memory(device, [], 0)
    assert before is not None and during is not None
    assert before.free - during.free >= held.nbytes // 2
    del held
    after = device_memory(device, [], 0)
    assert after is not None and after.free >= during.free + (32 << 20)
