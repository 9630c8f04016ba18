"""Reminders of cameras that are not live."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from commands.run import MissingCameras, remind
from support.waiting import until


@dataclass(frozen=True)
class Status:
    camera: str
    state: str = "connecting"
    reason: str | None = "refused"

    @property
    def message(self) -> str:
        return f"camera {self.camera}: nothing listens there"


def test_a_camera_that_is_not_live_for_the_whole_interval_is_named_with_its_reason() -> None:
    missing = MissingCameras()
    assert missing.reminder([Status("door")], 100.0, 30.0) == []
    assert missing.reminder([Status("door")], 120.0, 30.0) == []
    assert missing.reminder([Status("door"), Status("yard")], 130.0, 30.0) == [
        "not live for 30 s: camera door: nothing listens there"
    ]
    assert missing.reminder([Status("door", "live", None), Status("yard")], 160.0, 30.0) == [
        "not live for 30 s: camera yard: nothing listens there"
    ]
    assert missing.reminder([Status("door"), Status("yard", "live", None)], 170.0, 30.0) == []


@pytest.mark.parametrize(
    "status", [Status("a", "live", None), Status("a", "ended", "no_such_file"), Status("a", reason="no_publisher")]
)
def test_a_camera_that_is_not_waited_for_is_not_named(status: Status) -> None:
    missing = MissingCameras()
    missing.reminder([status], 0.0, 30.0)
    assert missing.reminder([status], 60.0, 30.0) == []


async def test_reminders_are_logged_again_and_again(caplog: pytest.LogCaptureFixture) -> None:
    reminding = asyncio.create_task(remind(lambda: [Status("door")], every_s=0.01))
    await until(lambda: caplog.text.count("not live for") >= 3)
    reminding.cancel()
    assert "camera door: nothing listens there" in caplog.text
