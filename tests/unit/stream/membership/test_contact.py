"""What an engine tells of a coordinator that answers, does not answer, or refuses it."""

from __future__ import annotations

import logging

import pytest

from stream.membership.contact import SILENT_S, WARN_EVERY_S, Contact
from stream.settings.fleet import FleetSettings

ADDRESS = "tcp://head:5570"


def contact() -> Contact:
    return Contact(FleetSettings.model_validate({"coordinator": ADDRESS}))


def silent(one: Contact, from_s: float, for_s: float) -> None:
    """Let a second pass from one renewal to the next."""
    for second in range(int(for_s) + 1):
        one.asked(ADDRESS, from_s + second)


def test_silence_is_logged_again_each_minute_and_not_before_some_seconds(caplog: pytest.LogCaptureFixture) -> None:
    one = contact()
    silent(one, 0.0, SILENT_S - 1)
    assert not caplog.records
    silent(one, SILENT_S, WARN_EVERY_S + 1)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


def test_a_renewal_after_a_pause_of_the_process_is_no_silence(caplog: pytest.LogCaptureFixture) -> None:
    one = contact()
    one.asked(ADDRESS, 0.0)
    one.answered(ADDRESS, refused=False)
    one.asked(ADDRESS, 1000.0)
    assert not caplog.records


def test_an_answer_is_logged_only_after_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    one = contact()
    one.asked(ADDRESS, 0.0)
    one.answered(ADDRESS, refused=False)
    assert not caplog.records
    silent(one, 1.0, SILENT_S)
    one.answered(ADDRESS, refused=False)
    one.answered(ADDRESS, refused=False)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_only_an_engine_that_has_never_joined_has_a_problem() -> None:
    one = contact()
    one.asked(ADDRESS, 0.0)
    assert one.problem == "the engine has not joined yet"
    one.asked(ADDRESS, SILENT_S)
    assert one.problem == "no coordinator answers; see the log"
    one.answered(ADDRESS, refused=True)
    assert one.problem == "the coordinator refuses this engine; see the log"
    one.answered(ADDRESS, refused=False)
    silent(one, SILENT_S, SILENT_S)
    one.answered(ADDRESS, refused=True)
    assert one.problem == ""
