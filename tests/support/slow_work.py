"""Work that takes long, for tests of what happens meanwhile. It synchronises nothing; `support.waiting` does."""

from __future__ import annotations

import time


def slow_work(seconds: float) -> None:
    """Stand in for a computation that takes this long and leaves the interpreter to other threads."""
    time.sleep(seconds)
