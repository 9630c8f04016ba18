"""The rules in force while their file changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from stream.alerts import rules_in_force
from stream.alerts.rules_in_force import RulesInForce
from stream.rules_file import Places
from stream.settings.config_error import ConfigError
from support.waiting import until

FIRST = "rules: {visitor: {zone: hall}}"


@asynccontextmanager
async def watched(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RulesInForce]:
    monkeypatch.setattr(rules_in_force, "LOOK_EVERY_S", 0.01)
    rules = RulesInForce(path, lambda: {"door": Places({"hall"}, ())})
    rules.load(None)
    watching = asyncio.create_task(rules.watch())
    try:
        yield rules
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def test_a_file_that_is_damaged_deleted_and_corrected_keeps_the_last_good_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(FIRST)
    async with watched(path, monkeypatch) as rules:
        good = rules.compiled
        path.write_text("rules: {visitor: {zone: hall, severity: loud}}")
        await until(lambda: rules.error)
        assert "rules.visitor.severity" in str(rules.error) and rules.compiled is good
        path.write_text(f"rules: {{visitor: {{zone: hall, people: {{at_least: 0x{'f' * 5000}}}}}}}")
        await until(lambda: "rules.visitor.people.at_least" in str(rules.error))
        path.unlink()
        await until(lambda: "can't be read" in str(rules.error))
        assert rules.compiled is good
        path.write_text("rules: {guest: {zone: hall}}")
        await until(lambda: rules.compiled is not good)
        assert rules.error is None and list(rules.view().rules) == ["guest"]


def test_names_are_checked_against_the_profile(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: {a: {action: sleeping}}")
    with pytest.raises(ConfigError, match=r"rules\.a\.action: unknown action 'sleeping'.*actions: stand, walk"):
        RulesInForce(path, dict).load("edge")


def test_the_view_shows_rules_as_they_are_written_and_warns_of_unknown_zones(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text("rules: {a: {zone: hal, for: 10s, cooldown: 1m}}\nactions: {up: {posture: upright}}")
    rules = RulesInForce(path, lambda: {"door": Places({"hall"}, ())})
    rules.load(None)
    view = rules.view()
    assert view.rules == {"a": {"zone": "hal", "for": "10s", "cooldown": "1m"}} and view.actions == ["up"]
    assert "did you mean `hall`?" in view.warnings[0]
