"""Chromium for tests."""

from __future__ import annotations

from benchmarks.browser import chromium
from support.waiting import until


class Browser(chromium.Browser):
    """A Chromium whose awaited conditions are reported if the test times out."""

    wait_until = staticmethod(until)
