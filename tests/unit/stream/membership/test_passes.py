"""Passes of a fleet's viewers: what an engine accepts, and for how long."""

from __future__ import annotations

import base64
import string

import pytest

from fleet.pass_office import LIFE_S, PassOffice
from stream.membership import passes as passes_module
from stream.membership.passes import PREFIX, Pass, Passes, signed

PAGE, OTHER_PAGE = "0" * 32, "1" * 32
RUN = "ab" * 16
LIFE_MS = round(LIFE_S * 1000)


class Clocks:
    """The controller's and the engine's clock, which differ, in milliseconds."""

    def __init__(self, ahead_ms: int = -86_400_000) -> None:
        self.at_ms = 100_000_000
        self.ahead_ms = ahead_ms
        self.office = PassOffice(lambda: self.at_ms + self.ahead_ms)
        self.engine = Passes(lambda: self.at_ms)

    def join(self) -> None:
        """Tell the engine the controller's time, and then its key."""
        self.tell_time()
        self.engine.learn(self.office.key("a", RUN).hex(), ["http://head:9095"])

    def tell_time(self, delay_ms: int = 0) -> None:
        """Have the controller tell its time, in a message that takes so long."""
        told_ms = self.at_ms + self.ahead_ms
        self.at_ms += delay_ms
        self.engine.told_time(told_ms)

    def issue(self, *cameras: str, engine: str = "a", run: str = RUN, page: str = PAGE) -> str:
        return self.office.issue(engine, run, "guard", page, cameras or ["hall"])


@pytest.fixture
def clocks() -> Clocks:
    clocks = Clocks()
    clocks.join()
    return clocks


def test_an_engine_that_does_not_know_its_key_or_the_time_accepts_no_pass() -> None:
    clocks = Clocks()
    forged = signed(Pass("guard", PAGE, 2**53 - 1, ["hall"]), b"")
    for step in (lambda: None, clocks.tell_time):
        step()
        for text in (clocks.issue(), forged):
            assert clocks.engine.accepted(text) is None and clocks.engine.prolonged(text) is None
    assert not clocks.engine.origins
    other = Clocks()
    other.engine.learn(other.office.key("a", RUN).hex(), [])
    assert other.engine.accepted(other.issue()) is None


def test_passes_are_accepted_as_soon_as_the_key_is_known_and_a_new_key_ends_earlier_ones(clocks: Clocks) -> None:
    old = clocks.issue()
    assert clocks.engine.accepted(old) is not None
    clocks.office = PassOffice(lambda: clocks.at_ms + clocks.ahead_ms)
    clocks.join()
    assert clocks.engine.accepted(clocks.issue()) is not None
    assert clocks.engine.accepted(old) is None and clocks.engine.prolonged(old) is None


def test_a_pass_names_its_viewer_and_cameras(clocks: Clocks) -> None:
    found = clocks.engine.accepted(clocks.issue("yard", "hall"))
    assert found is not None and (found.name, found.cameras) == ("guard", ["hall", "yard"])
    assert clocks.engine.origins == {"http://head:9095"}


@pytest.mark.parametrize("ahead_ms", [-86_400_000, -5_000, 0, 5_000, 86_400_000])
def test_a_pass_ends_in_time_however_the_clocks_differ(ahead_ms: int) -> None:
    clocks = Clocks(ahead_ms)
    clocks.join()
    text = clocks.issue()
    clocks.at_ms += LIFE_MS - 1
    assert clocks.engine.accepted(text) is not None
    clocks.at_ms += 1
    assert clocks.engine.accepted(text) is None and clocks.engine.prolonged(text) is None


def test_a_delayed_message_prolongs_passes_by_its_delay_at_most(clocks: Clocks) -> None:
    text = clocks.issue()
    clocks.tell_time(delay_ms=500)
    clocks.at_ms += LIFE_MS - 1
    assert clocks.engine.accepted(text) is not None
    clocks.at_ms += 1
    assert clocks.engine.accepted(text) is None


def test_a_pass_with_any_other_byte_is_refused(clocks: Clocks) -> None:
    text = clocks.issue()
    for index, letter in enumerate(text):
        for other in {"A", "B", "=", "é"} - {letter}:
            assert clocks.engine.accepted(text[:index] + other + text[index + 1 :]) is None, (index, other)
    for wrong in ("", PREFIX, PREFIX + ".", text + "A", text[:-1], text + "\n", "a." + text, string.printable):
        assert clocks.engine.accepted(wrong) is None, wrong


def test_a_pass_for_another_engine_run_or_controller_is_refused(clocks: Clocks) -> None:
    assert clocks.engine.accepted(clocks.issue(engine="b")) is None
    assert clocks.engine.accepted(clocks.issue(run="cd" * 16)) is None
    assert clocks.engine.accepted(Clocks().issue()) is None


def test_what_is_signed_but_not_a_pass_is_refused(clocks: Clocks) -> None:
    key = clocks.office.key("a", RUN)
    for content in (b"{", b"[]", b'{"name": "x"}', b'{"name":"x","page":"p","until_ms":9007199254740991,"cameras":[]}'):
        body = PREFIX + base64.urlsafe_b64encode(content).decode()
        assert clocks.engine.accepted(f"{body}.{passes_module._signature(body, key)}") is None, content


def test_a_renewed_pass_prolongs_what_was_begun_with_the_earlier_one(clocks: Clocks) -> None:
    first = clocks.issue()
    assert clocks.engine.accepted(first) is not None
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.accepted(clocks.issue()) is not None
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.accepted(first) is None, "it begins nothing new"
    assert clocks.engine.prolonged(first) is not None
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.prolonged(first) is None


def test_a_pass_of_another_page_or_for_other_cameras_prolongs_nothing(clocks: Clocks) -> None:
    first = clocks.issue()
    assert clocks.engine.accepted(first) is not None
    clocks.at_ms += LIFE_MS - 1
    for other in (clocks.issue("hall", "yard"), clocks.issue("yard"), clocks.issue(page=OTHER_PAGE)):
        assert clocks.engine.accepted(other) is not None
    clocks.at_ms += 1
    assert clocks.engine.prolonged(first) is None
