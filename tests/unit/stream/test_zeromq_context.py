"""The end of ZeroMQ contexts that wait for something that does not end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from stream import zeromq_context
from stream.subscriber import subscribe


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Contexts that wait, as for a name server that does not answer, in the order in which they are terminated."""
    answered, contexts = threading.Event(), list[Any]()
    term = zmq.Context.term

    def wait(context: Any) -> None:
        contexts.append(context)
        answered.wait()
        term(context)

    monkeypatch.setattr(zmq.Context, "term", wait)
    monkeypatch.setattr(zeromq_context, "TERMINATE_WITHIN_S", 0.01)
    yield contexts
    answered.set()


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "fleet://127.0.0.1:1"])
async def test_a_subscription_can_be_closed_while_zeromq_waits(
    endpoint: str, stuck: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with subscribe(endpoint):
        pass
    assert len(stuck) == 1
    assert caplog.messages[-1] == "tcp://127.0.0.1:1: closed without waiting longer for ZeroMQ"
