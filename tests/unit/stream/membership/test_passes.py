"""Passes of a fleet's viewers: what an engine accepts, and for how long."""

from __future__ import annotations

import pytest

from stream.membership.passes import LIFE_S, PREFIX, Pass, Passes, PassOffice, signed

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
    clocks, other = Clocks(), Clocks()
    forged = signed(Pass("guard", PAGE, 2**53 - 1, ["hall"]), b"")
    for step in (lambda: None, clocks.tell_time):
        step()
        assert clocks.engine.accepted(clocks.issue()) is None and clocks.engine.accepted(forged) is None
    other.engine.learn(other.office.key("a", RUN).hex(), [])
    assert other.engine.accepted(other.issue()) is None


def test_a_pass_for_another_engine_run_or_controller_is_refused(clocks: Clocks) -> None:
    own = clocks.issue("yard", "hall")
    found = clocks.engine.accepted(own)
    assert found is not None and (found.name, found.cameras) == ("guard", ["hall", "yard"])
    for other in (clocks.issue(engine="b"), clocks.issue(run="cd" * 16), Clocks().issue()):
        assert clocks.engine.accepted(other) is None
    clocks.office = PassOffice(lambda: clocks.at_ms + clocks.ahead_ms)
    clocks.join()
    assert clocks.engine.accepted(clocks.issue()) is not None
    assert clocks.engine.accepted(own) is None and clocks.engine.prolonged(own) is None


@pytest.mark.parametrize("ahead_ms", [-86_400_000, 0, 86_400_000])
def test_a_pass_ends_in_time_however_the_clocks_differ_and_later_by_the_delay_of_a_message_at_most(
    ahead_ms: int,
) -> None:
    clocks = Clocks(ahead_ms)
    clocks.join()
    for delay_ms in (0, 500):
        text = clocks.issue()
        clocks.tell_time(delay_ms)
        clocks.at_ms += LIFE_MS - 1
        assert clocks.engine.accepted(text) is not None
        clocks.at_ms += 1
        assert clocks.engine.accepted(text) is None and clocks.engine.prolonged(text) is None


def test_a_pass_with_any_other_byte_is_refused(clocks: Clocks) -> None:
    text = clocks.issue()
    for index, letter in enumerate(text):
        for other in {"A", "B", "=", "é"} - {letter}:
            assert clocks.engine.accepted(text[:index] + other + text[index + 1 :]) is None, (index, other)
    for wrong in ("", PREFIX, PREFIX + ".", text + "A", text[:-1], text + "\n", "a." + text):
        assert clocks.engine.accepted(wrong) is None, wrong


def test_a_renewed_pass_prolongs_what_was_begun_with_one_for_the_same_page_and_cameras(clocks: Clocks) -> None:
    first = clocks.issue()
    assert clocks.engine.accepted(first) is not None
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.accepted(clocks.issue()) is not None
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.accepted(first) is None, "it begins nothing new"
    assert clocks.engine.prolonged(first) is not None
    for other in (clocks.issue("hall", "yard"), clocks.issue("yard"), clocks.issue(page=OTHER_PAGE)):
        assert clocks.engine.accepted(other) is not None
    for number in range(5000):
        view = clocks.office.issue("a", RUN, "wall", f"{number:032x}", ["hall"])
        assert clocks.engine.accepted(view) is not None
    assert clocks.engine.prolonged(first) is not None, "whatever another token is shown"
    clocks.at_ms += LIFE_MS // 2
    assert clocks.engine.prolonged(first) is None
