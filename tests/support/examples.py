"""How many examples Hypothesis draws: few in each run of all tests, because each run draws others, and many in soak."""

from __future__ import annotations

import os

_TIMES = int(os.environ.get("TESTS_EXAMPLES", "1"))
"""`make soak` sets it."""


def examples(number: int) -> int:
    """Return the number of examples of a test that has `number` in `make test`."""
    return number * _TIMES
