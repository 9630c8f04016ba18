"""A test waits for a condition (`support.waiting`), never for a number of seconds: a busy machine may need longer.

What must hold in a given time is a benchmark or, for promises to users, in soak/test_timed_promises.py.
"""

from __future__ import annotations

import ast
from pathlib import Path

from support.repository import REPOSITORY

SLEEPERS = {
    "support/waiting.py": "the shared helper",
    "support/chaos/pacing.py": "disturbs an engine for as long as a plan says",
    "support/slow_work.py": "stands in for a computation, or is the rate of a source",
    "support/engines/trace_collector.py": "a slow server",
    "support/fleet/local_cluster.py": "an engine that is paused",
    "support/rtsp_servers/scripted_rtsp.py": "plays packets at their times",
    "support/webrtc/ffmpeg_publisher.py": "plays pictures at their times",
    "support/webrtc/webrtc_publisher.py": "plays pictures at their times",
}
"""Files that may sleep, and why."""


def sleeps(path: Path) -> bool:
    """Whether a file calls `time.sleep` or `asyncio.sleep`, except `sleep(0)`, which only lets others run."""
    return any(
        isinstance(call, ast.Call)
        and (getattr(call.func, "attr", None) or getattr(call.func, "id", None)) == "sleep"
        and not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )


def test_test_code_waits_for_conditions() -> None:
    tests = REPOSITORY / "tests"
    found = {str(path.relative_to(tests)) for path in tests.rglob("*.py") if sleeps(path)}
    assert found - SLEEPERS.keys() == set(), "Use `until`, or add the file to SLEEPERS with a reason."
