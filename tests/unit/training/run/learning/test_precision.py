"""The type in which a training run computes."""

from __future__ import annotations

import pytest
import torch

from training.run.learning import precision
from training.run.learning.precision import autocast_type
from training.settings.run_config import TrainingConfig

CPU = torch.device("cpu")


@pytest.mark.parametrize(("supported", "expected"), [(True, torch.bfloat16), (False, None)])
def test_a_processor_without_bfloat16_computes_in_float32_and_says_so(
    supported: bool, expected: torch.dtype | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "_cpu_has_bfloat16", lambda: supported)
    assert autocast_type(TrainingConfig(precision="bfloat16"), CPU) is expected
    assert autocast_type(TrainingConfig(), CPU) is None
    assert ("set precision: float32" in caplog.text) != supported


def test_finding_out_what_the_processor_supports_draws_no_random_numbers() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    precision._cpu_has_bfloat16.cache_clear()
    assert autocast_type(TrainingConfig(precision="bfloat16"), CPU) in (torch.bfloat16, None)
    assert torch.equal(torch.rand(4), expected)
