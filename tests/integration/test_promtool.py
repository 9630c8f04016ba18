"""Prometheus' own checker on a page that this engine renders."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from telemetry.metrics import PrometheusObserver


def busy_page() -> bytes:
    """A page on which every metric of the engine has a series."""
    observer = PrometheusObserver()
    for camera in ("lobby", "gate"):
        observer.camera_added(camera)
        observer.camera_state(camera, "live")
        observer.clock_source(camera, "rtcp")
        observer.frame_decoded(camera)
        observer.frame_dropped(camera, "stale")
        observer.unit_discarded(camera, "undecodable")
        observer.reconnecting(camera, "stalled")
        observer.transport_fallback(camera, "udp_silent")
        observer.people_seen(camera, 2, 3)
        observer.frame_published(camera, 0.04, 0.3)
        observer.message_published(camera, "results")
    observer.message_published("", "stats")
    observer.batch_formed(2, 0.001)
    observer.stage_done("detect", 0.03)
    observer.stage_failed("detect")
    observer.state_bank(5, 256)
    observer.model_loaded("edge", "sha256:0123")
    observer.device_memory("allocated", 1 << 20)
    observer.replay_requested("too_old", 0)
    return observer.render()


def test_promtool_accepts_the_page_without_complaint() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    page = busy_page()
    checked = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def test_promtool_would_complain_of_a_bad_page() -> None:
    """The check above bites: a counter without help and with a bad name isn't accepted."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.fail("promtool is missing: install the Debian package `prometheus` (apt-get install prometheus)")
    bad = b"# TYPE framesCount counter\nframesCount 1\n"
    checked = subprocess.run([promtool, "check", "metrics"], input=bad, capture_output=True, timeout=60, check=False)
    assert checked.returncode != 0
