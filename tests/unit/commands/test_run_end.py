"""How a run ends while its model is still at work, and its table if it cannot be written."""

from __future__ import annotations

import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from commands import run
from stream.inference.inference_thread import NAME
from support.engines.controlled_engine import configured


def ended(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run an engine that ends with 130 at once, and return the exit codes with which the process was ended."""
    codes: list[int] = []

    def signalled(work: Coroutine[Any, Any, int]) -> int:
        work.close()
        return 130

    monkeypatch.setattr(run, "until_signal", signalled)
    monkeypatch.setattr("os._exit", codes.append)
    assert run.run_engine(configured()) == 130
    return codes


def test_a_thread_that_is_still_loading_the_model_does_not_change_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loaded = threading.Event()
    thread = threading.Thread(target=loaded.wait, name=NAME)
    thread.start()
    try:
        assert ended(monkeypatch) == [130]
    finally:
        loaded.set()
        thread.join()


def test_a_run_whose_model_has_stopped_ends_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.enumerate", lambda: [threading.main_thread()])
    assert not ended(monkeypatch)
