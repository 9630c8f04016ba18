from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from stream.http.server.connections import Connections
from stream.notify.clock import now
from stream.notify.intake import Intake, Received
from stream.notify.ledger import Ledger
from stream.notify.notifier import Notifier
from support.notify.alert_engine import notifying
from support.notify.fed_alerts import config, stats
from support.ports import reserved_port
from support.waiting import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.mark.parametrize(
    ("patched", "name", "error"),
    [(Ledger, "version", sqlite3.OperationalError("disk")), (Intake, "tick", ValueError("unexpected"))],
)
async def test_an_error_of_what_is_due_does_not_end_notify(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patched: Any, name: str, error: Exception
) -> None:
    for constant in ("LEDGER_AGAIN_S", "TICK_S"):
        monkeypatch.setattr(f"stream.notify.notifier.{constant}", 0.01)
    file = tmp_path / "secret"
    file.write_text(SECRET)
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": [str(file)]}
    engine = {"endpoint": f"tcp://127.0.0.1:{reserved_port()}", "replay": None}
    async with notifying(config(tmp_path / "notify.db", engine=engine, targets={"hook": hook})):
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
    file = tmp_path / "secret"
    file.write_text(SECRET)
    file.chmod(0o600)
    hook = {"kind": "webhook", "url": "http://127.0.0.1:9/", "secret_files": [str(file)]}
    typo = hook | {"rules": ["fal"], "cameras": ["dor", "door"]}
    engine = {"endpoint": f"tcp://127.0.0.1:{reserved_port()}", "replay": None}
    notifier = Notifier(
        config(tmp_path / "notify.db", engine=engine, targets={"typo": typo, "all": hook}), Connections(0)
    )
    notifier.intake.take([Received(stats())], now())
    notifier._offered_rules = [("fall", None)]
    with caplog.at_level(logging.WARNING):
        notifier.apply_rules()
        notifier.apply_rules()
    assert sorted(caplog.messages) == [
        "targets.typo.cameras: no camera dor; the engine has door",
        "targets.typo.rules: no rule fal; the engine has fall",
    ]
    for sender in notifier._senders.values():
        await sender.close()
    notifier.ledger.close()
