"""The command line of partstream as a process of its own."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Mapping

ENVIRONMENT_VARIABLE = "PARTSTREAM_FLEET_ENVIRONMENT"
"""The environment of `partstream fleet up`, for what Ray's workers start: Ray changes theirs, for example
OMP_NUM_THREADS and CUDA_VISIBLE_DEVICES."""
_OF_RAY = re.compile(r"RAY_|PARTSTREAM_FLEET_(CONFIG|NODE|DIRECTORY|TOKEN|ENVIRONMENT|NICE|JSON_LOGS)$")


def partstream(*arguments: str) -> list[str]:
    """Return the command that runs `partstream` with these arguments and this Python."""
    program = importlib.util.find_spec("run_stream")
    assert program is not None and program.origin is not None
    return [sys.executable, program.origin, *arguments]


def without_ray(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a process that does not belong to Ray: that of `partstream fleet up`, if it is kept.

    Variables that are only for Ray, agents and the node are left out.
    """
    kept = environment.get(ENVIRONMENT_VARIABLE)
    own: Mapping[str, str] = environment if kept is None else json.loads(kept)
    return {name: value for name, value in own.items() if not _OF_RAY.match(name)}


def keeping(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variable with which `without_ray` returns this environment again in a process of Ray."""
    return {ENVIRONMENT_VARIABLE: json.dumps(without_ray(environment))}
