"""The default model on real people: every frame of OpenCV's street footage through the whole engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from commands.demo.show import cut
from stages.third_party import weights
from stream.config import Config
from support.engines.recognised import Recognised, recognise

BEGINNING_S = 3.0
"""Nearly everyone in it walks or stands; in all of the footage, four fifths do."""


async def people_of(film: Path, expected: float) -> Recognised:
    config = Config.model_validate(
        {
            "cameras": [{"id": "street", "source": str(film), "pace": "fast"}],
            "once": True,
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    seen = await recognise(config)
    assert seen.frames == seen.camera.processed == seen.camera.decoded
    assert seen.share_with_people >= 0.95
    assert seen.share_expected >= expected
    assert {"walk", "stand"} <= set(seen.seconds_by_label)
    return seen


@pytest.mark.timeout(900)  # six seconds of one core
async def test_people_in_a_real_street_are_detected_and_most_walk_or_stand(tmp_path: Path) -> None:
    film = tmp_path / "street.mp4"
    cut(weights.locate("vtest", "vtest.avi"), film, BEGINNING_S)
    assert 25 <= (await people_of(film, 0.85)).frames <= 35


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_people_in_all_of_the_street_footage_are_detected_too() -> None:
    assert (await people_of(weights.locate("vtest", "vtest.avi"), 0.8)).frames == 795
