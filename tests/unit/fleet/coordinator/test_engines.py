"""Tests of the engines' names."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.coordinator.engines import MOST_LOST, STARTS_WITHIN_S, Engines, RefusedRenewalError, RunEnd, reason_of
from stream.membership.protocol import PROTOCOL, CameraReport, EngineReport, Renewal
from stream.results import EngineAddress


def renewal(name: str = "one", run: str = "r1", node: str = "n", **fields: Any) -> Renewal:
    address = EngineAddress(name, node, run, "tcp://n:1", "tcp://n:2")
    return Renewal(
        **{"protocol": PROTOCOL, "address": address, "asked_ns": 1, "version": 0} | fields, report=EngineReport(100, 64)
    )


def renew(engines: Engines, now_s: float, *names: str, began: bool = True) -> None:
    engines.renewed(b"id", renewal(*names), now_s, 0).began = began


def test_a_name_belongs_to_the_first_engine_until_its_lease_is_over() -> None:
    engines = Engines(2.0, 8)
    renew(engines, 0, "one", "r1")
    with pytest.raises(RefusedRenewalError, match="another engine with the name one runs on n"):
        renew(engines, 1.9, "one", "r2", "m")
    renew(engines, 1.95, "one", "r1")
    with pytest.raises(RefusedRenewalError):
        renew(engines, 3.9, "one", "r2", "m")
    renew(engines, 4, "one", "r2", "m")
    assert engines.sessions["one"].address.run == "r2"
    assert engines.lost["one"].address.run == "r1"
    with pytest.raises(RefusedRenewalError):
        renew(engines, 4.1, "one", "r1")


def test_a_run_that_has_ended_leaves_its_name_at_once_and_does_not_return() -> None:
    engines = Engines(2.0, 8)
    renew(engines, 0, "one", "r1")
    engines.ended("one", "r1")
    engines.lose("one", "r1", "its process has ended", 5)
    renew(engines, 0.1, "one", "r2")
    with pytest.raises(RefusedRenewalError, match="has ended"):
        renew(engines, 10, "one", "r1")


def test_an_engine_may_return_on_another_connection_when_the_first_is_gone() -> None:
    engines = Engines(2.0, 8)
    renew(engines, 0)
    with pytest.raises(RefusedRenewalError, match="on another connection"):
        engines.renewed(b"other", renewal(), 0.5, 0)
    engines.sessions["one"].connected = False
    assert engines.renewed(b"other", renewal(), 0.6, 0).identity == b"other"
    with pytest.raises(RefusedRenewalError, match="on another connection"):
        engines.renewed(b"third", renewal(), 0.7, 0)
    assert engines.renewed(b"third", renewal(), 2.7, 0).identity == b"third"
    assert len(engines.sessions) == 1


def test_where_an_engine_was_is_known_after_it_was_lost_or_started_again() -> None:
    engines = Engines(2.0, 8)
    renew(engines, 0, "one", "r1", "n")
    engines.lose("one", "r1", "silent", 5)
    assert (found := engines.address_of("one")) and found.run == "r1"
    renew(engines, 1, "one", "r2", "m")
    assert (found := engines.address_of("one", "r2")) and found.run == "r1"
    assert engines.address_of("two") is None and engines.address_of(None) is None


def test_engines_that_never_report_cameras_are_forgotten() -> None:
    engines = Engines(2.0, 2)
    renew(engines, 0, "one", began=False)
    renew(engines, 0, "two", began=True)
    with pytest.raises(RefusedRenewalError, match="limit of coordinator"):
        renew(engines, 1, "three")
    engines.forget_silent(2.5)
    renew(engines, 2.5, "three")
    assert set(engines.sessions) == {"two", "three"}


def test_few_lost_engines_are_listed() -> None:
    engines = Engines(2.0, 10_000)
    for number in range(MOST_LOST + 10):
        renew(engines, 0, f"e{number}")
        engines.ended(f"e{number}", "r1")
        engines.lose(f"e{number}", "r1", "silent", 0)
    assert len(engines.lost) == MOST_LOST and not engines.sessions


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (renewal(protocol=2), "version 1 of the protocol and the engine version 2"),
        (renewal(name="../x"), "names of engines and nodes"),
        (renewal(node=""), "names of engines and nodes"),
        (renewal(run="r" * 300), "longer than 256"),
        (renewal(run="a\nb"), "not printable"),
        *(
            (renewal(address=EngineAddress("one", "n", "r1", *addresses)), "is not an address")
            for addresses in (
                ("tcp://n:1", "tcp://n:2", "http://[::1"),
                ("tcp://n:1", "tcp://n:2", "http://n:99999"),
                ("tcp://n:1", "tcp://n:2", "javascript:1"),
                ("tcp://n", "tcp://n:2", None),
                ("tcp://n:1", "n:2", None),
            )
        ),
        (renewal(cameras={"a/b": CameraReport(1, "live")}), "a camera's id"),
    ],
)
def test_a_renewal_that_others_could_not_use_is_refused(wrong: Renewal, text: str) -> None:
    engines = Engines(2.0, 8)
    with pytest.raises(RefusedRenewalError, match=text):
        engines.renewed(b"id", wrong, 0, 0)
    assert not engines.sessions


def test_a_generation_that_nothing_accounts_for_is_refused() -> None:
    engines = Engines(2.0, 8)
    now_ms = 1_700_000_000_000
    known = {"old": 2**50}

    def renew_with(camera: str, generation: int) -> None:
        report = renewal(cameras={camera: CameraReport(generation, "live")})
        engines.renewed(b"id", report, 0, now_ms * 1000, lambda name: known.get(name, 0))

    renew_with("new", now_ms + 2**32)
    renew_with("old", 2**50 + 2**32)
    for camera, generation in (("new", now_ms + 2**32 + 1), ("old", 2**50 + 2**32 + 1), ("new", 2**53 - 1)):
        with pytest.raises(RefusedRenewalError, match="no coordinator of this fleet"):
            renew_with(camera, generation)


def test_a_reason_of_an_engine_is_printable_and_of_limited_length() -> None:
    reason = reason_of(CameraReport(1, "ended", refused="no\x1b[31m\n" + "x" * 1_000_000))
    assert reason.startswith("no [31m x") and len(reason) == 500


def test_a_camera_is_given_up_if_two_complete_answers_lack_its_settings() -> None:
    session = Engines(2.0, 8).renewed(b"id", renewal(), 0, 0)
    session.adoptable = {"a", "b", "c", "d"}
    assert session.answered({"a"}, more=True) == {"a"}  # the next part is lost
    assert session.answered({"c"}, more=False) == {"c"}
    assert session.answered({"a"}, more=True) == set()
    assert session.answered({"b", "c"}, more=False) == {"b", "d"}
    assert not session.adoptable


def test_an_engine_that_was_started_is_known_until_it_joins_ends_or_takes_far_too_long() -> None:
    engines = Engines(2.0, 2)

    def starting(now_s: float) -> list[tuple[str, str]]:
        return [(one.engine, one.run) for one in engines.starting(now_s)]

    engines.started("one", "n", "r1", 0)
    engines.started("two", "n", "r2", 1)
    assert starting(1) == [("one", "r1"), ("two", "r2")]
    engines.started("three", "n", "r3", 1)
    assert starting(1) == [("two", "r2"), ("three", "r3")], "no more than there may be engines"
    renew(engines, 2, "two", "r2")
    engines.started("two", "n", "r2", 3)
    engines.ended("three", "r0")
    assert starting(3) == [("three", "r3")]
    engines.ended("three", "r3")
    engines.started("three", "n", "r3", 4)
    assert starting(4) == [], "what is told late of a run that has joined or ended"
    engines.started("three", "n", "r4", 5)
    assert starting(5) == [("three", "r4")] and starting(5 + STARTS_WITHIN_S) == []


def test_ends_of_an_engine_are_counted_until_it_joins_or_none_follows_for_long() -> None:
    engines = Engines(2.0, 2)
    end = RunEnd("n", "exit code 2", "the port is in use", "/one.log")

    def ended(now_s: float) -> list[tuple[str, int, int]]:
        return [(one.engine, one.count, one.since_us) for one in engines.ended_since_joined(now_s)]

    for number in range(3):
        engines.ended("one", f"r{number}", end, number, 10 + number)
        engines.ended("one", f"r{number}", end, number, 10 + number)  # told twice
    assert ended(3) == [("one", 3, 10)]
    assert ended(2 + STARTS_WITHIN_S) == []
    engines.ended("one", "r3", end, 3 + STARTS_WITHIN_S, 20)
    assert ended(3 + STARTS_WITHIN_S) == [("one", 1, 20)]
    renew(engines, 4 + STARTS_WITHIN_S, "one", "r4")
    assert ended(4 + STARTS_WITHIN_S) == []
    for name in ("one", "two", "three"):
        engines.ended(name, "r5", end, 0, 0)
    assert [name for name, *_ in ended(0)] == ["two", "three"], "no more than there may be engines"


def test_the_end_of_an_engine_that_was_stopped_in_order_is_not_counted() -> None:
    engines = Engines(2.0, 8)
    end = RunEnd("n", "exit code 0", "", "/one.log")
    engines.renewed(b"id", renewal(stopping=True), 0, 0)
    engines.ended("one", "r1", end, 0, 0)
    engines.renewed(b"id", renewal("two", stopping=True), 0, 0)
    engines.lose("two", "r1", "silent", 0)
    engines.ended("two", "r1", end, 0, 0)
    engines.ended("three", "r1", None, 0, 0)
    assert engines.ended_since_joined(0) == []
