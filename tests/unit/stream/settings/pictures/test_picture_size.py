from __future__ import annotations

import pytest
from pydantic import ValidationError

from stream.settings.engine import CameraConfig


def config(size: object) -> CameraConfig:
    return CameraConfig.model_validate({"id": "cam", "source": "pattern:", "max_picture": size})


@pytest.mark.parametrize(
    ("size", "pixels"), [("3840x2160", 3840 * 2160), (12_000_000, 12_000_000), ("12000000", 12_000_000)]
)
def test_a_largest_picture_is_a_size_or_a_number_of_pixels(size: object, pixels: int) -> None:
    assert config(size).max_pixels == pixels
    assert config(config(size).max_picture) == config(size)


@pytest.mark.parametrize("size", ["", "4K", "3840×2160", "3840x", "-1", 0, "1x1", "99999x99999", 1 << 40, None])
def test_other_forms_are_refused(size: object) -> None:
    with pytest.raises(ValidationError):
        config(size)


def test_pictures_up_to_8k_are_allowed_by_default() -> None:
    assert CameraConfig.model_validate({"id": "cam", "source": "pattern:"}).max_pixels == 7680 * 4320
