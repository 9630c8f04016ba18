"""What `partstream fleet check` tells about a configuration: errors, and what is more likely wrong than not."""

from __future__ import annotations

from collections.abc import Iterator

from commands.fleet import check, check_cameras, check_ports
from fleet.settings import FleetConfig


def errors(config: FleetConfig, node: str, *, is_head: bool) -> Iterator[str]:
    """Yield what is wrong on this machine, the node `node`, each with its setting, and each setting once."""
    if not config.model_fields_set:
        yield "the file is empty: list `cameras`, or write `cameras: []` if `fleet camera add` is to add all of them"
    taken = check_ports.problems(config, node, is_head=is_head)
    yield from (f"{setting}: {problem}" for setting, problem in taken.items())
    yield from check_cameras.missing_files(config, node)
    for problem in check.problems(config, node, is_head=is_head):
        if not any(problem.startswith(f"{setting}: ") for setting in taken):
            yield problem


def warnings(config: FleetConfig, node: str) -> Iterator[str]:
    """Yield what may be right, each with its setting."""
    yield from check_cameras.doubts(config, node)
