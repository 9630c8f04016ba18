"""Which computation is fastest, with a clock that the computations move."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from stages.runtimes.choosing import Times, cost_clock, fastest, measure

SMALL, LARGE = (256, 256), (448, 768)
MUCH = 1e9


class Work:
    """Computations that take planned seconds of its clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.done: list[str] = []

    def clock(self) -> float:
        return self.now

    def of(self, name: str, seconds: Sequence[float]) -> Callable[[], None]:
        """Return a computation whose calls take `seconds` in turn, the last of them from then on."""
        planned = iter(seconds)
        took = 0.0

        def run() -> None:
            nonlocal took
            took = next(planned, took)
            self.now += took
            self.done.append(name)

        return run


def test_the_least_time_after_the_first_call_counts() -> None:
    work = Work()
    runs = {
        "a": {SMALL: work.of("a", [9, 3, 2, 4]), LARGE: work.of("A", [9, 8, 6, 7])},
        "b": {SMALL: work.of("b", [1, 5, 5, 5]), LARGE: work.of("B", [1, 9, 9, 9])},
    }
    times = measure(runs, 60, work.clock, MUCH, work.clock)
    assert times == {"a": {SMALL: 2, LARGE: 6}, "b": {SMALL: 5, LARGE: 9}}
    assert work.done == ["a", "A", "b", "B"] * 4, "warm-up and three rounds, in turns"


def test_measuring_ends_at_its_limit_even_if_it_has_cost_little() -> None:
    work = Work()
    times = measure({"a": {SMALL: work.of("a", [1])}}, 1, lambda: work.now / 128, 7, work.clock)
    assert times == {"a": {SMALL: 1 / 128}}
    assert len(work.done) == 1 + 7


def totals(**seconds: float) -> dict[str, Times]:
    return {name: {SMALL: value / 4, LARGE: value * 3 / 4} for name, value in seconds.items()}


def test_the_fastest_over_all_sizes_is_chosen() -> None:
    assert fastest(totals(torch=4.0, openvino=1.0, onnxruntime=2.0)) == "openvino"
    assert fastest({"a": {SMALL: 1, LARGE: 9}, "b": {SMALL: 3, LARGE: 4}}) == "b"


def test_one_thread_each_is_measured_in_processor_time_and_several_in_elapsed_time() -> None:
    assert cost_clock(1, 1) is time.process_time
    assert cost_clock(2, 2) is cost_clock(1, 2) is time.perf_counter
