"""Which cameras of a fleet's configuration this machine cannot read, and which doubtful names and addresses it has."""

from __future__ import annotations

import difflib
import socket
from collections.abc import Iterator
from pathlib import Path

from fleet.settings import FleetCamera, FleetConfig


def missing_files(config: FleetConfig, node: str) -> Iterator[str]:
    """Yield which video files are not on this machine, of cameras that its engines may get."""
    here = {None, node, *config.engines_of(node)}
    for camera in config.cameras:
        if camera.enabled and camera.pin in here and (path := _path(camera)) is not None and not path.exists():
            remedy = "correct the path" if camera.pin else "correct the path, or set `pin` to the node that has it"
            yield f"camera {camera.id}: source: there is no file {path} on this machine: {remedy}"


def doubts(config: FleetConfig, node: str) -> Iterator[str]:
    """Yield what may be meant, but is more likely wrong: pins to names that are not in the file, unknown hosts."""
    if config.nodes:
        names = {node, *config.nodes, *(engine for name in config.nodes for engine in config.engines_of(name))}
        for camera in config.cameras:
            if camera.pin is not None and camera.pin not in names:
                yield f"camera {camera.id}: pin: {_unlisted(camera.pin, names)}"
    address = config.cluster.address
    if address is not None and not _is_known(address):
        yield f"cluster.address: {address!r} is unknown on this machine: write this machine's IP address"


def _path(camera: FleetCamera) -> Path | None:
    """Return the path of a camera that reads a file; None for others, also for what FFmpeg fetches."""
    address = camera.source.reveal()
    is_path = camera.source.kind == "file" and camera.source.scheme == "file" and not address.startswith("file:")
    return Path(address) if is_path else None


def _unlisted(pin: str, names: set[str]) -> str:
    meant = next(iter(difflib.get_close_matches(pin, sorted(names), 1)), None)
    hint = "" if meant is None else f"; did you mean `{meant}`?"
    return f"`nodes` has no node and no engine {pin}; the camera waits until one of this name joins{hint}"


def _is_known(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True
