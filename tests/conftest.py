"""For all tests: they may run side by side, on a machine that may be busy with others.

Hypothesis never fails an example for its time. Workers (pytest-xdist) share the cores, so each computes with one
thread; and what one has made that takes long, the others read.
"""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

_MADE_ONCE = pytest.StashKey[tempfile.TemporaryDirectory[str]]()


def pytest_configure(config: pytest.Config) -> None:
    """The process that began the run keeps the folder of what is made once; workers have its name from it."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        config.stash[_MADE_ONCE] = tempfile.TemporaryDirectory(prefix="partstream-tests-")
        os.environ["TESTS_MADE_ONCE"] = config.stash[_MADE_ONCE].name


def pytest_unconfigure(config: pytest.Config) -> None:
    if (folder := config.stash.get(_MADE_ONCE, None)) is not None:
        folder.cleanup()
