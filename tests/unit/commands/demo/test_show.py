"""The summary of the demo."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from commands.demo.show import summary
from stream.results import CameraStats, Frame, Load, ModelRef, Stats
from support.engines.drawn_results import a_frame


def stats(decoded: int, processed: int, cameras: tuple[str, ...] = ("lobby",)) -> Stats:
    dropped = {"stale": decoded - processed}
    return Stats(
        run="0" * 32,
        seq=0,
        at_us=0,
        uptime_s=1.0,
        ready=True,
        ready_reason="",
        model=ModelRef("edge", "sha256:00", True),
        cameras=[CameraStats(name, "ended", 1, decoded, processed, dropped, 0.0, 0.0, 0) for name in cameras],
        state_slots_used=0,
        state_slots=0,
        subscriptions=0,
        load=Load(0, 0, False, None, None),
    )


def shown(counts: Stats, frames: list[Frame]) -> str:
    out = io.StringIO()
    Console(file=out, width=120).print(summary(counts, frames))
    return out.getvalue()


def printed(decoded: int, processed: int) -> str:
    return shown(stats(decoded, processed), [a_frame(0), a_frame(1)])


def test_the_summary_has_the_counts_of_frames_and_the_actions() -> None:
    assert "20 stale" in printed(100, 80)
    assert "wave 2" in printed(100, 80)


@pytest.mark.parametrize(("processed", "advised"), [(49, True), (50, False)])
def test_it_advises_a_smaller_detector_size_if_fewer_than_half_were_analysed(processed: int, advised: bool) -> None:
    said = f"This machine analysed {processed} of 100 frames; to analyse more, use a smaller `detector_size`"
    assert (said in printed(100, processed)) is advised
