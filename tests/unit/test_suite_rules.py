"""Rules for test code that keep the suite green on a busy machine.

A test waits for a condition (`support.waiting`), never for a number of seconds, and asserts no duration. What must hold
in a given time is a benchmark.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

import pytest

from support.repository import REPOSITORY

CLOCKS = {
    f"{clock}{unit}"
    for clock in ("monotonic", "perf_counter", "process_time", "thread_time", "time")
    for unit in ("", "_ns")
}
ARITHMETIC = {"abs", "float", "int", "max", "min", "round"}
WAITS = {"wait_for", "timeout", "wait", "join", "result", "acquire", "get", "communicate", "run", "urlopen"}
"""Functions that take a limit in seconds: as their last positional argument, or named `timeout`."""
POSITIONAL = {"wait_for", "timeout", "wait", "join", "result"}

FOREIGN = "integration/test_foreign_client.py"
SLEEPERS = {
    "support/waiting.py::until": "the shared helper",
    "support/waiting.py::wait_until": "the shared helper",
    "support/slow_work.py::slow_work": "stands in for a computation",
    "support/slow_work.py::pace": "the rate of a source",
    "support/engines/trace_collector.py::Collector": "a slow server",
    "support/rtsp_servers/scripted_rtsp.py::_Connection": "plays packets at their times",
    "support/webrtc/ffmpeg_publisher.py::main": "plays pictures at their times",
    "support/webrtc/webrtc_publisher.py::PaintedTrack": "plays pictures at their times",
    "integration/test_documented_commands.py::stopped_when_done": "gives a program longer each time it was too short",
    "integration/test_http.py::test_a_client_that_sends_its_request_too_slowly_is_cut": "a slow client",
    "integration/test_publisher.py::test_frames_too_large_for_a_subscription_or_a_request_are_not_read": "to be mended",
    "integration/test_recording.py::test_a_download_is_a_stream_for_as_long_as_it_takes_and_its_client_may_go": (
        "a slow client"
    ),
    f"{FOREIGN}::subscribed": "to be mended",
    f"{FOREIGN}::test_a_client_in_node_that_comes_late_gets_the_last_value_and_discards_those_sent_for_others": (
        "to be mended"
    ),
    f"{FOREIGN}::test_a_client_in_node_that_was_stopped_counts_its_gap_and_replays_it_exactly": "to be mended",
    f"{FOREIGN}::test_what_a_whole_engine_publishes_is_valid_complete_and_in_order_for_a_client_in_node": (
        "to be mended"
    ),
    "soak/test_dashboard_pictures.py::read_and_miss": "a slow reader",
    "soak/test_dashboard_pictures.py::test_the_dashboards_are_drawn_from_the_same_queries": "draws what minutes show",
}
"""Who may sleep, and why."""

CLOCK_READERS = {
    "integration/test_publisher.py::test_a_flood_of_subscriptions_is_read_in_chunks_and_completely": (
        "the slower it is, the more is allowed"
    ),
    "integration/test_publisher.py::test_every_kind_of_message_is_numbered_stamped_and_sent_under_its_topic": (
        "a stamp lies between two instants"
    ),
    "integration/test_rtsp_streams.py::test_sender_reports_date_the_pictures_by_the_cameras_clock": (
        "a stamp lies between two instants"
    ),
    "integration/test_sources.py::test_of_a_file_read_live_no_frame_comes_before_its_time": "a lower bound",
    "unit/stream/sources/rtsp/protocol/test_framing.py::test_the_time_that_a_head_takes_grows_with_its_length_only": (
        "CPU time: milliseconds, against ten seconds if it were quadratic"
    ),
}
"""Who may compare times, and why that is safe on a busy machine."""

LIMITS = {
    "integration/test_subscriber.py::test_waiting_with_very_short_timeouts_loses_nothing": "such timeouts are tested",
    f"{FOREIGN}::Client": "to be mended",
    f"{FOREIGN}::subscribed": "to be mended",
    "soak/test_dashboard_pictures.py::test_the_dashboards_are_drawn_from_the_same_queries": "a thread's end",
}
"""Who may wait with a limit of its own, and why."""


def sleeps(tree: ast.AST) -> Iterator[ast.AST]:
    """Find calls of `time.sleep` and `asyncio.sleep`, except `sleep(0)`, which only lets others run."""
    for call in calls(tree):
        if name_of(call.func) == "sleep" and not (call.args and is_zero(call.args[0])):
            yield call


def compared_clocks(tree: ast.AST) -> Iterator[ast.AST]:
    """Find comparisons with a clock's value, or with a variable that was computed from one."""
    names: set[str] = set()
    assignments = [node for node in ast.walk(tree) if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)]
    for assignment in assignments:
        targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
        if assignment.value is not None and is_time(assignment.value, names):
            names |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(is_time(side, names) for side in (node.left, *node.comparators)):
            yield node


def short_limits(tree: ast.AST) -> Iterator[ast.AST]:
    """Find limits of patience that are a number of seconds: pytest's timeout is the only one."""
    for call in calls(tree):
        name = name_of(call.func)
        if ast.unparse(call.func) == "pytest.mark.timeout":
            continue
        limits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"] if name in WAITS else []
        if name in POSITIONAL and call.args:
            limits.append(call.args[-1])
        if any(isinstance(limit, ast.Constant) and is_number(limit) and not is_zero(limit) for limit in limits):
            yield call


def is_time(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.Call():
            name = name_of(node.func)
            return name in CLOCKS or (name in ARITHMETIC and any(is_time(argument, names) for argument in node.args))
        case ast.Name():
            return node.id in names
        case ast.BinOp():
            return is_time(node.left, names) or is_time(node.right, names)
        case ast.BoolOp():
            return any(is_time(value, names) for value in node.values)
        case ast.Tuple():
            return any(is_time(element, names) for element in node.elts)
        case _:
            return False


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_zero(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and is_number(node) and node.value == 0


def is_number(node: ast.Constant) -> bool:
    return isinstance(node.value, int | float) and not isinstance(node.value, bool)


def found(rule: Callable[[ast.AST], Iterator[ast.AST]]) -> dict[str, list[int]]:
    """Return the lines where test code breaks a rule, by `path::function` (outermost function, class or `module`)."""
    lines: dict[str, list[int]] = {}
    for path in sorted((REPOSITORY / "tests").rglob("*.py")):
        for part in ast.parse(path.read_text()).body:
            for node in rule(part):
                where = f"{path.relative_to(REPOSITORY / 'tests')}::{getattr(part, 'name', 'module')}"
                lines.setdefault(where, []).append(getattr(node, "lineno", 0))
    return lines


@pytest.mark.parametrize(
    ("rule", "exceptions"),
    [(sleeps, SLEEPERS), (compared_clocks, CLOCK_READERS), (short_limits, LIMITS)],
    ids=["no sleeping", "no durations", "no patience in seconds"],
)
def test_test_code_waits_for_conditions(
    rule: Callable[[ast.AST], Iterator[ast.AST]], exceptions: dict[str, str]
) -> None:
    broken = found(rule)
    new = {where: lines for where, lines in broken.items() if where not in exceptions}
    assert not new, "\n".join(f"{where}: lines {lines}" for where, lines in new.items())
    assert not exceptions.keys() - broken.keys(), "no longer needed"
