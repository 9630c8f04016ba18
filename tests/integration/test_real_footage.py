"""The default model on real people: opencv's street footage, every frame, through the whole engine."""

from __future__ import annotations

import json

import pytest

from benchmarks.street import recognise
from stages import weights
from stream.config import Config


@pytest.mark.timeout(600)
async def test_on_a_real_street_people_are_found_and_most_of_them_walk_or_stand() -> None:
    config = Config.model_validate(
        {
            "cameras": [{"id": "street", "source": str(weights.locate("vtest", "vtest.avi")), "pace": "fast"}],
            "once": True,
            "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
            "http": {"bind": None},
        }
    )
    seen = await recognise(config)
    print(json.dumps(seen.to_dict(), indent=1))
    assert seen.frames == seen.processed == seen.decoded == 795
    assert seen.share_with_people >= 0.95
    assert seen.share_expected >= 0.80
    assert {"walk", "stand"} <= set(seen.seconds_by_label)
