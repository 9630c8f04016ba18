from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stream.notify.clock import now
from stream.notify.intake import Intake, Received
from stream.notify.ledger import Ledger
from stream.notify.notifier import Notifier
from stream.notify.notify_config import NotifyConfig
from support.notify.alert_engine import notifying
from support.notify.fed_alerts import config, stats
from support.notify.webhook_receiver import hook
from support.ports import reserved_port
from support.waiting import until


def without_engine(folder: Path, **target: Any) -> NotifyConfig:
    engine = {"endpoint": f"tcp://127.0.0.1:{reserved_port()}", "replay": None}
    return config(folder / "notify.db", engine=engine, targets=hook(folder, **target))


@pytest.mark.parametrize(
    ("patched", "name", "error"),
    [(Ledger, "version", sqlite3.OperationalError("disk")), (Intake, "tick", ValueError("unexpected"))],
)
async def test_an_error_of_what_is_due_does_not_end_notify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: Any, name: str, error: Exception
) -> None:
    for constant in ("LEDGER_AGAIN_S", "TICK_S"):
        monkeypatch.setattr(f"stream.notify.notifier.{constant}", 0.01)
    async with notifying(without_engine(tmp_path)):
        original, calls = getattr(patched, name), 0

        def fails(*values: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls <= 2:
                raise error
            return original(*values)

        monkeypatch.setattr(patched, name, fails)
        await until(lambda: calls > 4)


async def test_names_in_targets_that_the_engine_does_not_have_are_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    notifier = Notifier(without_engine(tmp_path, rules=["fal"], cameras=["dor", "door"]))
    notifier.intake.take([Received(stats())], now())
    with caplog.at_level(logging.WARNING):
        notifier.take_rules([("fall", None)])
        notifier.take_rules([("fall", None)])
    assert sorted(caplog.messages) == [
        "targets.hook.cameras: no camera dor; the engine has door",
        "targets.hook.rules: no rule fal; the engine has fall",
    ]
    notifier.ledger.close()
