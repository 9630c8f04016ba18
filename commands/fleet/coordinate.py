"""The coordinator's process: `partstream fleet coordinator`, or `python -m commands.fleet.coordinate FILE [--json]`.

Agents start it in the second way. It then imports none of the other commands, and begins in half the time, during
which no camera can be moved.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from commands.until_signal import until_signal
from stream.settings.config_error import ConfigError
from telemetry import logs

if TYPE_CHECKING:
    from fleet.settings import FleetConfig


def coordinate(path: Path, *, json: bool) -> int:
    """Run the coordinator of this configuration until a signal stops it, and return the exit code.

    Raises `ConfigError` if the configuration, an address or the store cannot be used.
    """
    logs.configure(json=json, ffmpeg=False)
    from fleet.settings import load

    return until_signal(_run(load(path)))


async def _run(config: FleetConfig) -> int:
    from fleet.coordinator.service import CoordinatorService

    service = CoordinatorService(config)
    await service.start()
    try:
        await service.wait()
    finally:
        await service.stop()
    return 0


def main(path: str, *options: str) -> int:
    """Run the coordinator, with `--json` with logs as JSON lines, and return the exit code."""
    try:
        return coordinate(Path(path), json="--json" in options)
    except ConfigError as error:
        from commands.ending import EXIT_USAGE, print_error

        print_error(str(error))
        return EXIT_USAGE


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
