"""Set-up for tests with real servers, threads and processes on a machine that may be busy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.webrtc.browser import BrowserWindow

LIMITS = (
    "benchmarks.cameras.rtsp_server.START_TIMEOUT_S",
    "stream.cameras.registry.JOIN_WITHIN_S",
    "stream.engine.STOP_WITHIN_S",
    "stream.http.server.streaming.STALLED_S",
    "stream.http.server.connections.HEAD_WITHIN_S",
    "stream.live.viewer_session.CONNECT_WITHIN_S",
    "stream.messaging.replay.GIVE_UP_S",
    "stream.recording.open_clip.RESULTS_WITHIN_S",
    "stream.sources.loop_thread.STOP_WITHIN_S",
    "stream.sources.rtsp.client.UDP_SILENCE_S",
    "stream.sources.reader.NO_RECOVERY_AFTER_S",
    "stream.sources.webrtc.connection.NEGOTIATE_WITHIN_S",
    "stream.sources.webrtc.peers.STOP_WITHIN_S",
    "stream.sources.webrtc.session.NEGOTIATE_WITHIN_S",
    "stream.sources.webrtc.whep.REQUEST_WITHIN_S",
)
"""After these the engine gives up on others. A test that wants another limit sets it itself."""

GIVE_UP_AFTER_S = 20.0
"""Long enough for a busy machine, and short enough that a test may wait for it."""


@pytest.fixture(scope="session", autouse=True)
def patient_engine() -> Iterator[None]:
    """Give the engines of this process more time than a user would."""
    with pytest.MonkeyPatch.context() as patch:
        for limit in LIMITS:
            patch.setattr(limit, GIVE_UP_AFTER_S)
        yield


@pytest.fixture(scope="session", autouse=True)
def shared_browser() -> Iterator[None]:
    """End the Chromium of this process after its last test."""
    yield
    BrowserWindow.end()
