"""Contents of the benchmark's result files."""

from __future__ import annotations

import json
from typing import Any


def as_json(value: Any) -> bytes:
    """Encode a value as in a result file."""
    return json.dumps(value).encode()
