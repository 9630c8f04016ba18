"""Settings of an engine that belongs to a fleet."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from stages.settings import LEAST, Section
from stream.settings.source_address import quoted

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""Names of engines and nodes."""


class FleetSettings(Section):
    """Membership of a fleet: the engine gets its cameras from the fleet's coordinator. Unset: it has its own."""

    coordinator: str | None = Field(None, description="The coordinator's address, `tcp://host:port`.")
    coordinator_file: Path | None = Field(
        None,
        description="In place of `coordinator`: a file that contains the address. It is read again when the "
        "coordinator does not answer.",
    )
    engine: str | None = Field(
        None,
        description="The engine's name, which no other engine of the fleet has: a-z, 0-9, -, _ and dots. Unset: the "
        "name of the machine.",
    )
    node: str | None = Field(None, description="Name of the machine. Unset: its own.")
    public_host: str | None = Field(
        None,
        min_length=1,
        description="Host in the addresses that readers are told. Unset: as in `publish.endpoint`, or the name of the "
        "machine if that is 0.0.0.0 or [::].",
    )
    capacity: float = Field(
        100.0,
        ge=LEAST,
        le=1e6,
        description="Decoded megapixels per second that the engine can take, until it has measured this. A 1080p "
        "camera at 25 fps has 52.",
    )
    server_key: str | None = Field(
        None, description="The coordinator's public CURVE key, or a file that contains it (docs/security.md)."
    )
    key_file: Path | None = Field(None, description="The engine's own secret key, from `partstream keys new`.")
    run: str | None = Field(
        None,
        pattern="^[0-9a-f]{32}$",
        description="The run that the engine is to have, given by the agent that starts it. Unset: a new one at each "
        "start. Do not set it yourself.",
    )

    @field_validator("coordinator")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is not None and not is_address(value):
            raise ValueError("must be tcp://host:port, for example tcp://10.0.0.2:5570")
        return value

    @field_validator("engine", "node")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not NAME.fullmatch(value):
            raise ValueError(f"{quoted(value)} is not a name: use a-z, 0-9, -, _ and dots, for example gpu-3")
        return value

    @model_validator(mode="after")
    def _one_coordinator(self) -> FleetSettings:
        if (self.coordinator is None) == (self.coordinator_file is None):
            raise ValueError("set either coordinator or coordinator_file")
        if (self.server_key is None) != (self.key_file is None):
            raise ValueError("server_key and key_file go together: set both, or neither")
        return self

    @property
    def node_name(self) -> str:
        """The name of the node."""
        return self.node or own_name()

    @property
    def engine_name(self) -> str:
        """The name of the engine."""
        return self.engine or own_name()


def is_address(text: str) -> bool:
    """Whether the text is `tcp://host:port`."""
    found = re.fullmatch(r"tcp://(?:\[[0-9A-Fa-f:.%\w]+\]|[^\s:/\[\]]+):(\d{1,5})", text)
    return found is not None and 0 < int(found[1]) < 65536


def own_name() -> str:
    """Return the name of this machine, as a node's name."""
    name = re.sub(r"[^a-z0-9_.-]", "-", socket.gethostname().lower()).lstrip("-_.")
    return name[:63] or "engine"
