"""Rules for test code that keep the suite green on a busy machine.

A test waits for a condition (`support.waiting`), never for a number of seconds, and asserts no duration. What must hold
in a given time is a benchmark or, for promises to users, in soak/test_timed_promises.py. Few random examples are drawn
here, and many in `make soak`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

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
POSITIONAL = {"wait_for", "timeout", "wait", "join", "result", "settimeout", "create_connection"}
SETTINGS = {"start_timeout_s", "stall_timeout_s", "replay_timeout_s"}
"""Settings after which the product gives up on others."""
SHORT_S = 20.0
"""A busy machine may need as long to connect."""

SLEEPERS = {
    "support/waiting.py::until": "the shared helper",
    "support/waiting.py::wait_until": "the shared helper",
    "support/chaos/pacing.py::pause": "disturbs an engine for as long as a plan says",
    "support/chaos/pacing.py::within": "the chaos harness goes on, and reports what was not well in time",
    "support/slow_work.py::slow_work": "stands in for a computation",
    "support/slow_work.py::pace": "the rate of a source",
    "support/engines/trace_collector.py::Collector": "a slow server",
    "support/rtsp_servers/scripted_rtsp.py::_Connection": "plays packets at their times",
    "support/webrtc/ffmpeg_publisher.py::main": "plays pictures at their times",
    "support/webrtc/webrtc_publisher.py::PaintedTrack": "plays pictures at their times",
    "soak/test_dashboard_pictures.py::read_and_miss": "a slow reader",
    "soak/test_dashboard_pictures.py::test_the_dashboards_are_drawn_from_the_same_queries": "draws what minutes show",
}
"""Code that may sleep, and why."""

CLOCK_READERS = {
    "integration/test_fleet_engine.py::test_a_strict_engine_that_was_paused_publishes_nothing_stale": (
        "timestamps are compared with the instant of the pause"
    ),
    "integration/test_publisher.py::test_each_kind_of_message_is_numbered_stamped_and_sent_under_its_topic": (
        "a timestamp lies between two instants"
    ),
    "integration/test_rtsp_streams.py::test_sender_reports_date_the_pictures_by_the_cameras_clock": (
        "a timestamp lies between two instants"
    ),
    "integration/test_sources.py::test_no_frame_of_a_file_read_live_arrives_before_its_time": "a lower bound",
    "soak/test_timed_promises.py::test_a_signal_stops_an_engine_within_two_seconds": "run on an idle machine",
    "soak/test_timed_promises.py::holds": "run on an idle machine",
    "support/chaos/pacing.py::within": "the chaos harness goes on, and reports what was not well in time",
    "unit/stream/sources/rtsp/protocol/test_framing.py::test_the_time_that_a_head_takes_grows_with_its_length_only": (
        "CPU time: milliseconds, against ten seconds if it were quadratic"
    ),
}
"""Code that may compare times, and why that is safe on a busy machine."""

LIMITS = {
    "integration/test_subscriber.py::test_waiting_with_very_short_timeouts_loses_nothing": "such timeouts are tested",
    "integration/test_foreign_rtsp_servers.py::test_a_suspended_server_does_not_answer_and_a_killed_one_is_gone": (
        "a suspended server cannot answer"
    ),
    "support/rtsp_servers/vlc.py::VlcServer": "asks again",
    "soak/test_dashboard_pictures.py::test_the_dashboards_are_drawn_from_the_same_queries": "a thread's end",
}
"""Code that may wait with its own limit, and why."""

PRODUCT_LIMITS = {
    f"integration/test_{test}": "the test waits until it expires, and is right if it expires sooner than intended"
    for test in (
        "native_rtsp_misbehaviour.py::test_a_camera_that_falls_silent_stalls",
        "native_rtsp_misbehaviour.py::test_a_camera_that_loses_packets_and_then_falls_silent_stalls",
        "native_rtsp_servers.py::test_other_servers_are_read_again_after_they_were_frozen_or_killed",
        "native_rtsp_session.py::test_a_server_that_never_answers_differs_from_one_that_falls_silent",
        "native_rtsp_session.py::test_udp_without_packets_leaves_time_for_tcp_even_with_a_short_start_timeout",
        "native_rtsp_session.py::test_a_stream_without_recovery_points_is_read_by_ffmpeg_with_the_reason",
        "native_rtsp_session.py::test_a_stream_without_a_recovery_point_for_too_long_stalls",
        "native_rtsp_session.py::test_ffmpeg_has_the_whole_start_timeout_after_native_rtsp_used_its_own",
        "rtsp_faults.py::test_a_port_that_accepts_connections_and_never_answers_is_silent",
        "rtsp_outages.py::test_a_camera_that_fails_costs_no_frame_of_another",
        "rtsp_outages.py::test_a_camera_whose_server_is_frozen_stalls_and_is_live_again_when_it_continues",
        "rtsp_outages.py::test_a_frozen_server_that_is_restarted_is_read_again",
        "subscriber.py::test_a_silent_replay_server_delays_live_results_only_once",
        "whip.py::test_fifty_publishers_at_once_leave_nothing_behind",
        "whip_browser.py::test_a_browser_publishes_its_camera_closes_reopens_and_the_camera_recovers",
        "whip_fuzz.py::test_mutated_offers_are_accepted_or_refused_and_never_cause_an_internal_error",
    )
}
"""Code that may set a short timeout of the product, and why."""

PORT_PICKERS: dict[str, str] = {}
"""Code that may release a port before it is used, and why."""

FIXED_EXAMPLES: dict[str, str] = {}
"""Tests that may have the same number of examples everywhere, and why."""


def sleeps(tree: ast.AST) -> Iterator[ast.AST]:
    """Find calls of `time.sleep` and `asyncio.sleep`, except `sleep(0)`, which only lets others run."""
    for call in calls(tree):
        if name_of(call.func) == "sleep" and not (call.args and is_zero(call.args[0])):
            yield call


def compared_clocks(tree: ast.AST) -> Iterator[ast.AST]:
    """Find comparisons with a clock's value, or with a variable that was computed from one."""
    names: set[str] = set()
    assignments = [node for node in nodes(tree) if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)]
    for assignment in assignments:
        targets = assignment.targets if isinstance(assignment, ast.Assign) else [assignment.target]
        if assignment.value is not None and is_time(assignment.value, names):
            names |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    for node in nodes(tree):
        if isinstance(node, ast.Compare) and any(is_time(side, names) for side in (node.left, *node.comparators)):
            yield node


def short_limits(tree: ast.AST) -> Iterator[ast.AST]:
    """Find calls with a limit in seconds: pytest's timeout is the only one."""
    for call in calls(tree):
        name = name_of(call.func)
        limits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"] if name in WAITS else []
        if name in POSITIONAL and call.args:
            limits.append(call.args[-1])
        short = any(isinstance(limit, ast.Constant) and is_number(limit) and not is_zero(limit) for limit in limits)
        if short and ast.unparse(call.func) != "pytest.mark.timeout":
            yield call


def short_product_limits(tree: ast.AST) -> Iterator[ast.AST]:
    """Find short timeouts of the product, which a busy machine may exceed."""
    given: list[tuple[ast.AST, str, ast.expr]] = []
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            given += [(node, keyword.arg or "", keyword.value) for keyword in node.keywords]
        elif isinstance(node, ast.Dict):
            names = [key.value if isinstance(key, ast.Constant) else "" for key in node.keys]
            given += [(node, str(name), value) for name, value in zip(names, node.values, strict=True)]
    for node, name, value in given:
        if name in SETTINGS and isinstance(value, ast.Constant) and is_number(value) and value.value < SHORT_S:
            yield node


def released_ports(tree: ast.AST) -> Iterator[ast.AST]:
    """Find ports that the kernel picks for a socket which is then closed: another program may get them next.

    Use `support.ports.reserved_port`, or port 0 where the server itself can report its port.
    """
    for block in nodes(tree):
        if not isinstance(block, ast.With) or not isinstance(last := block.body[-1], ast.Assign | ast.Return):
            continue
        if last.value is not None and [name_of(call.func) for call in calls(last.value)] == ["getsockname"]:
            yield block


def fixed_examples(tree: ast.AST) -> Iterator[ast.AST]:
    """Find numbers of Hypothesis's examples that `make soak` does not multiply: use `support.examples.examples`."""
    for call in calls(tree):
        for keyword in call.keywords:
            if keyword.arg == "max_examples" and not isinstance(keyword.value, ast.Call):
                yield keyword.value


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


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Return a tree's nodes, which every rule looks at."""
    return tuple(ast.walk(tree))


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in nodes(tree) if isinstance(node, ast.Call))


def name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def is_zero(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and is_number(node) and node.value == 0


def is_number(node: ast.Constant) -> bool:
    return isinstance(node.value, int | float) and not isinstance(node.value, bool)


@cache
def parts(path: Path) -> list[ast.stmt]:
    """Return the functions, classes and other statements of a file, which every rule reads."""
    return ast.parse(path.read_text()).body


def found(rule: Callable[[ast.AST], Iterator[ast.AST]]) -> dict[str, list[int]]:
    """Return the lines where test code breaks a rule, by `path::function` (outermost function, class or `module`)."""
    lines: dict[str, list[int]] = {}
    folder = "integration" if rule is short_product_limits else ""  # elsewhere clocks are fakes
    for path in sorted((REPOSITORY / "tests" / folder).rglob("*.py")):
        for part in parts(path):
            for node in rule(part):
                where = f"{path.relative_to(REPOSITORY / 'tests')}::{getattr(part, 'name', 'module')}"
                lines.setdefault(where, []).append(getattr(node, "lineno", 0))
    return lines


@pytest.mark.parametrize(
    ("rule", "exceptions"),
    [
        (sleeps, "SLEEPERS"),
        (compared_clocks, "CLOCK_READERS"),
        (short_limits, "LIMITS"),
        (short_product_limits, "PRODUCT_LIMITS"),
        (released_ports, "PORT_PICKERS"),
        (fixed_examples, "FIXED_EXAMPLES"),
    ],
    ids=[
        "no sleeping",
        "no durations",
        "no limits in seconds",
        "no short product timeouts",
        "no released ports",
        "no fixed numbers of examples",
    ],
)
def test_test_code_waits_for_conditions(rule: Callable[[ast.AST], Iterator[ast.AST]], exceptions: str) -> None:
    allowed: dict[str, str] = globals()[exceptions]
    broken = found(rule)
    new = [f"tests/{where}: lines {lines}" for where, lines in broken.items() if where not in allowed]
    assert not new, "\n".join([*new, f"{rule.__doc__}\nRewrite them, or add them to {exceptions} with a reason."])
    assert not allowed.keys() - broken.keys(), f"no longer needed in {exceptions}"
