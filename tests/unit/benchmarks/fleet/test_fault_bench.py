"""The command of the benchmark with faults. Fleets with Ray are started in tests/integration."""

from __future__ import annotations

import pytest

from benchmarks import main
from benchmarks.fleet.engine_cpu import Cores, CpuRun, cpu_goals


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--fault", "flood"], "no such fault: flood"),
        (["--source", "device"], "pattern or rtsp"),
        (["--nodes", "1", "--fault", "drain"], "at least 2 nodes"),
    ],
)
def test_a_wrong_option_is_a_usage_error(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["fleet", *arguments]) == 2
    assert text in " ".join(capsys.readouterr().err.replace("│", " ").split())


def test_the_cpu_of_a_frame_is_what_more_cameras_add() -> None:
    few = Cores(2, 0.12, 0.1, 0.01, 0.05, 20, 20)
    run = CpuRun(few, Cores(12, 0.43, 0.4, 0.01, 0.05, 120, 120))
    assert run.per_frame_us == pytest.approx(100)
    assert [goal.outcome for goal in cpu_goals([run] * 9, 12)] == ["met", "missed"]
    assert [goal.outcome for goal in cpu_goals([run] * 8, 12)] == ["not resolved"] * 2
