"""The command line of partstream as a process of its own."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Mapping

_OF_RAY = re.compile(r"RAY_|PARTSTREAM_FLEET_(CONFIG|NODE|DIRECTORY|TOKEN)$")


def partstream(*arguments: str) -> list[str]:
    """Return the command that runs `partstream` with these arguments and this Python."""
    program = importlib.util.find_spec("run_stream")
    assert program is not None and program.origin is not None
    return [sys.executable, program.origin, *arguments]


def without_ray(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that does not belong to Ray."""
    return {name: value for name, value in environment.items() if not _OF_RAY.match(name)}
