"""The figures of a run with a fault."""

from __future__ import annotations

import pytest

from benchmarks.fleet.fault_bench import goals
from benchmarks.fleet.figures import Injected, Received, figures, missed, stale
from benchmarks.fleet.readers import Row
from stream.subscriber import Moved

MS = 1_000_000
FAULT = 1_000


def row(
    at_ms: float, camera: str = "a", generation: int = 1, seq: int = 0, frame: int | None = None, run: str | None = None
) -> Row:
    run = run or f"run of {generation}"
    return Row(round(at_ms * MS), camera, run, 0, seq, seq if frame is None else frame, generation)


def rows(camera: str, first_ms: int, last_ms: int, generation: int = 1) -> list[Row]:
    """Ten results a second."""
    times = range(first_ms, last_ms, 100)
    return [row(at_ms, camera, generation, number) for number, at_ms in enumerate(times)]


def received(handed: list[Row], wire: list[Row] | None = None, moves: tuple[Moved, ...] = ()) -> Received:
    ordered = sorted(handed if wire is None else wire, key=lambda one: one.at_ns)
    return Received(["a", "b"], ordered, sorted(handed, key=lambda one: one.at_ns), moves, 4_000 * MS)


def test_a_move_is_timed_until_the_new_placement_and_between_results() -> None:
    untouched = rows("b", 0, 4_000)
    old, new = rows("a", 0, 1_000), rows("a", 1_500, 4_000, generation=2)
    wire = [*untouched, *old, *rows("a", 1_400, 4_000, generation=2)]
    moves = (Moved("a", 1, 2), Moved("a", 2, 3))
    found = figures(Injected(FAULT * MS, ["a"]), received([*untouched, *old, *new], wire, moves))
    assert (found.live_s, found.live_on_wire_s, found.silence_s) == pytest.approx((0.5, 0.4, 0.6))
    assert (found.moves, found.touched, found.cameras_lost) == (2, 1, 0)
    assert (found.untouched_gaps, found.untouched_drops, found.untouched_moves) == (0, 0, 0)
    assert found.untouched_silence_s == pytest.approx(0.1)


def test_a_camera_without_a_new_placement_is_lost_and_silent_until_the_end() -> None:
    found = figures(Injected(FAULT * MS, ["a"]), received([*rows("a", 0, 1_000), *rows("b", 0, 4_000)]))
    assert (found.live_s, found.live_median_s, found.cameras_lost) == (None, None, 1)
    assert found.silence_s == pytest.approx(3.1)
    assert [goal.measured for goal in goals("engine-killed", "rtsp", [found])][-1].startswith("inf")


def test_results_of_untouched_cameras_count_as_missing_from_the_last_one_before_the_fault() -> None:
    touched = rows("a", 0, 4_000)
    other = [
        row(100, "b", seq=0, frame=0),
        row(900, "b", seq=5, frame=5),
        row(1_100, "b", seq=8, frame=9),
        row(3_900, "b", generation=2, seq=7),
    ]
    found = figures(Injected(FAULT * MS, ["a"]), received([*touched, *other]))
    assert (found.untouched_gaps, found.untouched_drops, found.untouched_moves) == (2, 1, 1)
    assert found.untouched_silence_s == pytest.approx(2.8)


def test_a_camera_that_stays_with_its_engine_under_a_new_generation_has_not_moved() -> None:
    stays = [row(at_ms, "b", generation=1 + (at_ms > 1_500), seq=at_ms, run="same") for at_ms in range(0, 4_000, 100)]
    found = figures(Injected(FAULT * MS, ["a"]), received([*rows("a", 0, 4_000), *stays]))
    assert found.untouched_moves == 0


def test_replayed_results_are_no_gap_and_do_not_count_twice() -> None:
    assert missed([row(0, seq=3), row(1, seq=3), row(2, seq=4), row(3, seq=7)]) == (2, 0)


def test_a_result_after_one_of_a_later_placement_is_stale() -> None:
    assert stale([row(0), row(1, generation=3), row(2, "b"), row(3, generation=2), row(4, generation=3)]) == 1


def test_goals_are_resolved_only_by_nine_runs() -> None:
    run = figures(Injected(FAULT * MS, []), received([*rows("a", 0, 4_000), *rows("b", 0, 4_000)]))
    assert {goal.outcome for goal in goals("raylet-killed", "pattern", [run] * 8)} == {"not resolved"}
    assert {goal.outcome for goal in goals("raylet-killed", "pattern", [run] * 9)} == {"met"}


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("engine-killed", "touched cameras live elsewhere within 3 s"),
        ("engine-paused-strict", "no stale results on the wire"),
        ("coordinator-killed", "control back within 3 s"),
        ("gcs-away", "control back within 30 s"),
        ("head-lost", "no untouched cameras moved"),
        ("drain", "silence of moved cameras within 2 frame intervals"),
    ],
)
def test_a_fault_has_its_goals(fault: str, text: str) -> None:
    run = figures(Injected(FAULT * MS, []), received([*rows("a", 0, 4_000), *rows("b", 0, 4_000)]))
    assert text in [goal.text for goal in goals(fault, "rtsp", [run])]
