"""`partstream fleet check`: what would keep a fleet's controller, or its engines on this machine, from starting."""

from __future__ import annotations

from collections.abc import Iterator

from commands.config import checks, this_machine
from fleet.settings import FleetConfig, named_in_fleet
from stream.config import Config


def problems(config: FleetConfig) -> Iterator[str]:
    """Yield what is wrong on this machine, each with its setting. Paths are meant from here."""
    controller = config.controller
    if (problem := this_machine.no_files_in(controller.store.parent)) is not None:
        yield f"controller.store: {problem}"
    sockets = Config.model_validate({"http": controller.http, "publish": controller.publishing})
    yield from map(named_in_fleet, this_machine.unstartable(sockets))
    yield from checks.addresses(config.cameras)
    yield from checks.backgrounds(camera for camera in config.cameras if camera.pin is None)
    for problem in checks.problems(config.of_engine("engine-1")):
        yield f"engine: {problem}"
