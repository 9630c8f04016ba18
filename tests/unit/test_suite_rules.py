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
WAITS = {"wait_for", "timeout", "wait", "join", "result", "acquire", "get", "communicate", "run", "urlopen"}
"""Functions that take a limit in seconds: as their last positional argument, or named `timeout`."""
POSITIONAL = {"wait_for", "timeout", "wait", "join", "result"}

SLEEPERS: dict[str, str] = {}
"""Modules that may sleep, and why: `path` or `path::function`."""

CLOCK_READERS: dict[str, str] = {}

LIMITS: dict[str, str] = {}


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
        if assignment.value is not None and reads_clock(assignment.value, names):
            names |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and reads_clock(node, names):
            yield node


def short_limits(tree: ast.AST) -> Iterator[ast.AST]:
    """Find limits of patience that are a number of seconds: pytest's timeout is the only one."""
    for call in calls(tree):
        name = name_of(call.func)
        limits = [keyword.value for keyword in call.keywords if keyword.arg == "timeout"] if name in WAITS else []
        if name in POSITIONAL and call.args:
            limits.append(call.args[-1])
        if any(isinstance(limit, ast.Constant) and is_number(limit) and not is_zero(limit) for limit in limits):
            yield call


def reads_clock(node: ast.AST, names: set[str]) -> bool:
    return any(
        (isinstance(inner, ast.Call) and name_of(inner.func) in CLOCKS)
        or (isinstance(inner, ast.Name) and inner.id in names)
        for inner in ast.walk(node)
    )


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
