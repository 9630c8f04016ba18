from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from benchmarks.engine import motion_bench
from benchmarks.engine.motion_bench import GateRun
from support.luma_scenes import make_grey_film, street


def test_a_round_measures_decoding_gate_and_copy(tmp_path: Path) -> None:
    film = make_grey_film(
        tmp_path / "a.mp4", [street(320, 180)] * 20, rate=10, bits_per_second=500_000, keyframe_every=10
    )
    measured = motion_bench.run(film)
    assert measured.size == (320, 180) and measured.moving == 0
    assert min(measured.decoding_ms, measured.gate_ms, measured.copy_ms) > 0


def test_the_goal_is_for_720p_and_needs_the_whole_interval() -> None:
    def runs(gate_ms: float) -> list[GateRun]:
        return [GateRun((1280, 720), 3.0, gate_ms, 0.1, 0.0) for _ in range(9)] + [
            GateRun((3840, 2160), 9.0, 0.9, 0.4, 0.0)
        ]

    assert [motion_bench.goals(runs(ms))[0].outcome for ms in (0.15, 0.25)] == ["met", "missed"]
    output = io.StringIO()
    Console(file=output, width=120).print(motion_bench.table(runs(0.15)))
    assert "1280x720" in output.getvalue() and "0.15 [0.15, 0.15]" in output.getvalue()
