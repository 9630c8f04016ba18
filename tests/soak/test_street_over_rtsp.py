"""The street footage over a real RTSP server: recognition on a machine that cannot process every frame."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.cameras.rtsp_server import RtspServer
from benchmarks.model.street import recognise
from commands.demo.show import cut
from stages.third_party import weights
from stream.config import Config
from support.repository import REPOSITORY

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

SECONDS = 79.5


async def test_over_rtsp_the_frames_that_are_processed_say_the_same(tmp_path: Path) -> None:
    clip = tmp_path / "street.mp4"
    cut(weights.locate("vtest", "vtest.avi"), clip, SECONDS)
    with RtspServer(files={"/street": clip}) as server:
        config = Config.model_validate(
            {
                "cameras": [{"id": "street", "source": server.url("/street")}],
                "overload": "drop",
                "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
                "http": {"bind": None},
            }
        )
        seen = await recognise(config, SECONDS + 3)
    figures = {"commit": machine.commit(REPOSITORY), "machine": machine.describe(), **seen.to_dict()}
    results = REPOSITORY / "build" / "benchmarks" / "street_over_rtsp.json"
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(seen.to_dict(), indent=1))
    assert seen.processed > 0
    assert seen.share_with_people >= 0.95
    assert seen.share_expected >= 0.80
