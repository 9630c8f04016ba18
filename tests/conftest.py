"""Set-up for all tests, which run side by side on a machine that may be busy.

Hypothesis never fails an example for its time. Workers (pytest-xdist) share the cores, so each computes with one
thread. What takes long to make is made by one worker and read by the others. A test that fails while it waits reports
what it waited for. The detector runs in torch, unless a test asks for `all_runtimes`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import importlib
import logging
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Generator
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from typer.main import get_command

from support.examples import examples
from support.waiting import take_awaited

settings.register_profile(
    "any machine", max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# Commands leave it ignored if it is, as under `nohup`; tests expect that it ends them.
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

SLOW = (
    "unit/benchmarks/model/test_found_scenes.py",
    "unit/benchmarks/paper/",
    "unit/stages/region_features/",
    "unit/stages/test_checkpoint_detector.py",
    "unit/training/annotated_videos/",
    "unit/training/detector/",
    "unit/training/extractor/",
    "unit/training/footage/",
    "unit/training/kinetics_tps/",
    "unit/training/run/",
    "unit/training/synthetic/",
)
"""Unit tests that train, render or need `weights fetch`: marked `slow`, and not part of `make test-fast`."""

LEARNING = (
    "unit/benchmarks/paper/test_paper_bench.py",
    "unit/benchmarks/paper/test_plain_pipeline.py",
    "unit/training/annotated_videos/test_detector_source.py",
)
"""Tests that use the detector of `support.models.drawn_people`. The first of them trains it, for minutes on a busy
machine, and the others wait."""
LEARNING_TIMEOUT_S = 900

RUNTIMES = ("onnxruntime", "openvino")

_MADE_ONCE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each worker go through the files of a folder from another place on.

    In a new checkout, pytest has to rewrite the assertions of each file. Workers that begin at different files find
    most others rewritten already.
    """
    report = yield
    if isinstance(collector, pytest.Directory):
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        first = worker * len(report.result) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        report.result = report.result[first:] + report.result[:first]
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Search for garbage only after collection: all test files are imported, with millions of objects that stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Search for garbage only among what a file's own tests made.

    Libraries that tests import leave millions of objects. Searching them again and again took a tenth of all time.
    """
    try:
        return (yield)
    finally:
        if nextitem is not None and _file(nextitem) != _file(item):
            gc.collect()
            gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder for what is made once, in the process that began the run; workers get its name."""
    with pytest.MonkeyPatch.context() as patch:
        # Consoles take their width when they are made; tables are then whole, whichever test comes first.
        patch.setenv("COLUMNS", "900")
        importlib.import_module("commands.ending")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell starts background jobs so, and the programs that the tests start would ignore Ctrl-C, too.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_MADE_ONCE] = tempfile.TemporaryDirectory(prefix="partstream-tests-")
        os.environ["TESTS_MADE_ONCE"] = config.stash[_MADE_ONCE].name
        os.environ.setdefault("PARTSTREAM_MODEL__RUNTIME", "torch")  # for engines in processes of their own


def pytest_unconfigure(config: pytest.Config) -> None:
    if (folder := config.stash.get(_MADE_ONCE, None)) is not None:
        folder.cleanup()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the slow unit tests, give those more time that may train a detector, and order files in workers."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        places = _places({_file(item) for item in items})
        items.sort(key=lambda item: places[_file(item)])  # keeps the order inside each file
    for item in items:
        path = item.nodeid.removeprefix("tests/")
        if path.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
        if path.startswith(LEARNING):
            item.add_marker(pytest.mark.timeout(LEARNING_TIMEOUT_S))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _places(files: set[str]) -> dict[str, tuple[float, str]]:
    """Return sort keys of files, the same in all workers.

    Integration tests wait most of their time, and parity tests compute: side by side they use all cores. Unit tests are
    last, because they are short, so that all workers end at nearly the same time.
    """
    folders: dict[str, list[str]] = {}
    for file in sorted(files):
        _, _, inner = file.partition("/")  # tests of tests have files that are in no folder
        folders.setdefault(inner.partition("/")[0], []).append(file)
    return {
        file: (number / len(among) + (folder not in ("integration", "parity")), file)
        for folder, among in folders.items()
        for number, file in enumerate(among)
    }


@pytest.fixture(scope="session", autouse=True)
def torch_alone() -> Generator[dict[str, ModuleType]]:
    """Let `model.runtime: auto` be torch, as if no other runtime were installed; returns the hidden modules.

    Results are then equal on every machine, and no test measures runtimes.
    """
    hidden = {name: sys.modules[name] for name in RUNTIMES if name in sys.modules}
    with pytest.MonkeyPatch.context() as patch:
        for name in RUNTIMES:
            patch.setitem(sys.modules, name, None)
        yield hidden


@pytest.fixture(scope="session", autouse=True)
def commands_are_built_once() -> Generator[None]:
    """Let `CliRunner` build an application's commands once, which takes longer than most commands of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", functools.cache(get_command))
        yield


@pytest.fixture(scope="module")
def all_runtimes(torch_alone: dict[str, ModuleType]) -> Generator[None]:
    """Let the tests of a module use the other runtimes, imported already or not."""
    with pytest.MonkeyPatch.context() as patch:
        for name in RUNTIMES:
            if name in torch_alone:
                patch.setitem(sys.modules, name, torch_alone[name])
            else:
                patch.delitem(sys.modules, name)
        yield


@pytest.fixture(autouse=True)
def root_logger_is_restored() -> Generator[None]:
    """Undo what a command that a test calls in this process has set, so that `caplog` works in later tests."""
    root = logging.getLogger()
    level = root.level
    yield
    if (logs := sys.modules.get("telemetry.logs")) is not None and logs._installed is not None:
        logs._installed.close()
    root.setLevel(level)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add to a failure the conditions that were awaited, and to a timeout where each coroutine waited."""
    report = yield
    awaited = take_awaited()
    if report.failed and awaited:
        report.sections.append(("awaited", awaited))
    if report.failed and call.excinfo is not None and "from pytest-timeout" in str(call.excinfo.value):
        report.sections.append(("pending tasks", _pending_tasks()))
    return report


def _pending_tasks() -> str:
    tasks = [task for task in gc.get_objects() if isinstance(task, asyncio.Task) and not task.done()]
    return "\n".join(f"{task.get_name()}\n{_stack(task.get_coro())}" for task in tasks)


def _stack(coroutine: Any) -> str:
    """Return where a suspended coroutine waits, through the coroutines that it awaits."""
    lines: list[str] = []
    while (frame := getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)) is not None:
        lines += traceback.format_stack(frame, limit=1)
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)
    return "".join(lines)
