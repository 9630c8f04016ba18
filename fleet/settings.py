"""The configuration of a fleet, `fleet.yaml`. YAML keys are the field names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from fleet import settings_errors
from fleet.cluster.settings import ClusterSettings
from fleet.placement.events import Wish
from fleet.placement.settings import PlacementSettings
from stages.settings import LEAST, Section
from stages.settings_file import SettingsFileError, error_text, merged, read_settings
from stream.config import Config
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig, PublishConfig
from stream.settings.fleet import FleetSettings
from stream.settings.network import BoundEndpoint, HttpConfig, whole_origins
from telemetry.redaction import redact

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
"""Names of engines and nodes."""
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]

REFERENCE = "docs/fleet-configuration.md"
"""Lists all settings."""
EXPECTED_MPX = 20.0
"""Megapixels per second of a camera of 1280×720 at 22 frames per second."""


class FleetCamera(CameraConfig):
    """A camera of a fleet: the settings of a camera, and those of its placement."""

    pin: Name | None = Field(
        None,
        description="The only engine or node that can read it, for example where a capture device is. Unset: any.",
    )
    exclusive: bool = Field(
        False,
        description="Whether the source takes one connection only: a move then ends the old one first.",
    )
    expected_mpx: float = Field(
        EXPECTED_MPX,
        ge=LEAST,
        le=100_000,
        description="Megapixels per second expected until they are measured; 1080p at 25 fps is 52.",
    )

    @field_validator("pin", mode="before")
    @classmethod
    def _pin_is_a_name(cls, value: object) -> object:
        return None if value is None else _checked_name(value)

    @model_validator(mode="after")
    def _a_device_is_pinned(self) -> FleetCamera:
        if self.source.kind == "device" and self.pin is None:
            raise ValueError("a capture device needs `pin`, the node or the engine that has it")
        return self

    @property
    def wish(self) -> Wish:
        """What the placement has to know."""
        return Wish(self.enabled, self.pin, self.exclusive, self.expected_mpx)

    def for_engine(self) -> dict[str, Any]:
        """Return the settings as an engine gets them, without `id`, defaults and those of the placement.

        They contain the address's secrets.
        """
        own = {"id", *FleetCamera.model_fields} - {*CameraConfig.model_fields}
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"id", "enabled", *own})
        return settings | {"source": self.source.reveal()}

    def whole(self) -> dict[str, Any]:
        """Return all settings other than defaults, with the address's secrets."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"source": self.source.reveal()}


class FleetHttpConfig(HttpConfig):
    """The coordinator's HTTP server, with the settings of an engine's."""

    bind: str | None = Field(
        "127.0.0.1:9095",
        description="host:port. Port 0: any free port; null: no server. Addresses other than loopback need a token.",
    )
    page_origins: list[str] = Field(
        default_factory=list[str],
        description="Where browsers open the live page, as `https://host[:port]`: engines answer pages from there "
        "only. Empty: the address in `bind`, with the name of the machine if that is 0.0.0.0.",
    )
    max_cameras: int = Field(
        10_000, ge=1, le=1_000_000, description="Maximum cameras of the fleet; beyond it, none can be added over HTTP."
    )

    @field_validator("page_origins")
    @classmethod
    def _origins_as_browsers_write_them(cls, value: list[str]) -> list[str]:
        return whole_origins(value)


class CoordinatorConfig(Section):
    """The coordinator: where engines and readers reach it, and what it remembers."""

    bind: BoundEndpoint = Field(
        "tcp://127.0.0.1:5570", description="Address for engines (ROUTER). Port 0: any free port."
    )
    directory: BoundEndpoint = Field(
        "tcp://127.0.0.1:5571", description="Address of the directory, for readers (XPUB)."
    )
    replay: BoundEndpoint = Field(
        "tcp://127.0.0.1:5572", description="Address for requests of missed directory messages."
    )
    http: FleetHttpConfig = Field(default_factory=FleetHttpConfig)  # pyright: ignore[reportArgumentType]
    store: Path = Field(
        Path("fleet.db"),
        description="SQLite file with cameras, generations and drains. It contains the cameras' passwords and is "
        "readable only by its owner. If it is lost, it is rebuilt from the engines' reports. Its folder is created.",
    )
    max_engines: int = Field(4096, ge=1, le=100_000, description="Maximum engines; further ones are refused.")
    curve_secret_key_file: Path | None = Field(
        None,
        description="The coordinator's secret key from `partstream keys new` (docs/security.md). All three sockets "
        "then encrypt, and accept only clients whose keys are listed.",
    )
    curve_engine_keys: Path | None = Field(
        None,
        description="Public keys of engines, for `bind`: a directory of `*.key` files, or one file. Engines get the "
        "cameras' passwords.",
    )
    curve_allowed_keys: Path | None = Field(
        None,
        description="Public keys of readers, for `directory` and `replay`: a directory of `*.key` files, or one file.",
    )
    allow_plaintext: bool = Field(
        False,
        description="Allow addresses other than loopback without CURVE. Anyone who can reach them can then join as "
        "an engine, and get the cameras' passwords.",
    )

    @field_validator("store")
    @classmethod
    def _is_a_file(cls, value: Path) -> Path:
        if not value.name:
            raise ValueError(f"{str(value)!r} is not the name of a file")
        return value

    @model_validator(mode="after")
    def _keys_go_together(self) -> CoordinatorConfig:
        keys = (self.curve_secret_key_file, self.curve_engine_keys, self.curve_allowed_keys)
        if any(keys) and not all(keys):
            raise ValueError(
                "curve_secret_key_file, curve_engine_keys and curve_allowed_keys go together: set all, or none"
            )
        return self

    @property
    def publishing(self) -> PublishConfig:
        """The directory's settings as a publisher's."""
        return PublishConfig.model_validate(
            {
                "endpoint": self.directory,
                "replay": self.replay,
                "high_water_mark": 4096,
                "history_messages": 64,
                "history_bytes": 16 << 20,
                "curve_secret_key_file": self.curve_secret_key_file,
                "curve_allowed_keys": self.curve_allowed_keys,
                "allow_plaintext": self.allow_plaintext,
            }
        )


class NodeConfig(Section):
    """A node with settings of its own."""

    labels: dict[Annotated[str, Field(pattern="^[a-zA-Z_][a-zA-Z0-9_]*$")], str] = Field(
        default_factory=dict[str, str], description="Labels for Prometheus, for example `gpu: l4`."
    )
    engine: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Settings of its engines that differ from `engine`."
    )
    membership: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Settings of its engines that differ from `membership`."
    )
    engines: dict[Name, dict[str, Any]] = Field(
        default_factory=dict[str, dict[str, Any]],
        description="Its engines by name, for example one for each GPU, with settings in which they differ: the "
        "device, and the ports, as in `b: {http: {bind: 127.0.0.1:9091}}`. Unset: one engine with the node's name.",
    )

    @field_validator("engines", mode="before")
    @classmethod
    def _engines_have_names(cls, value: object) -> object:
        return _with_checked_names(value)


class FleetConfig(Section):
    """The whole configuration of a fleet."""

    coordinator: CoordinatorConfig = Field(default_factory=CoordinatorConfig)  # pyright: ignore[reportArgumentType]
    placement: PlacementSettings = Field(default_factory=PlacementSettings)  # pyright: ignore[reportArgumentType]
    engine: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="The configuration of every engine (docs/configuration.md), without `cameras` and `fleet`.",
    )
    membership: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="The section `fleet` of every engine's configuration: `capacity`, `public_host`, `server_key` and "
        "`key_file`. `partstream fleet up` sets the others.",
    )
    cluster: ClusterSettings = Field(default_factory=ClusterSettings)  # pyright: ignore[reportArgumentType]
    nodes: dict[Name, NodeConfig] = Field(
        default_factory=dict[str, NodeConfig], description="Nodes with settings of their own, by name."
    )
    cameras: list[FleetCamera] = Field(
        default_factory=list[FleetCamera],
        description="The cameras, with the settings of an engine's and `pin`, `exclusive` and `expected_mpx`.",
    )

    @field_validator("nodes", mode="before")
    @classmethod
    def _nodes_have_names(cls, value: object) -> object:
        return _with_checked_names(value)

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_engine(value)
        return value

    @field_validator("membership")
    @classmethod
    def _is_a_membership(cls, value: dict[str, Any]) -> dict[str, Any]:
        _check_membership(value)
        return value

    @model_validator(mode="after")
    def _nodes_have_engines(self) -> FleetConfig:
        for name, node in self.nodes.items():
            try:
                _check_engine(merged(self.engine, node.engine))
            except ValueError as error:
                raise ValueError(f"nodes.{name}.engine: {error}") from None
            for engine in node.engines:
                try:
                    _check_engine(self.engines_of(name)[engine])
                except ValueError as error:
                    raise ValueError(f"nodes.{name}.engines.{engine}: {error}") from None
            try:
                _check_membership(merged(self.membership, node.membership))
            except ValueError as error:
                raise ValueError(f"nodes.{name}.membership: {error}") from None
        return self

    @model_validator(mode="after")
    def _privacy_is_of_the_fleet(self) -> FleetConfig:
        everywhere = Config.model_validate(self.engine).privacy
        for node in self.nodes:
            for engine, settings in self.engines_of(node).items():
                if Config.model_validate(settings).privacy != everywhere:
                    raise ValueError(
                        f"nodes.{node}: `privacy` of the engine {engine} differs from that of the fleet, but cameras "
                        "move between engines: set it in `engine`, or for single cameras"
                    )
        return self

    @model_validator(mode="after")
    def _strict_coordinators_wait_for_leases(self) -> FleetConfig:
        placement = self.placement
        if placement.fence == "strict" and placement.settling_s < placement.ttl_s:
            raise ValueError(
                "placement.settle_s: with `fence: strict`, a new coordinator has to wait until the leases of the last "
                "one are over: at least ttl_s"
            )
        return self

    @model_validator(mode="after")
    def _autoscaling_reaches_the_coordinator(self) -> FleetConfig:
        if self.cluster.autoscaling.max_nodes and self.coordinator.http.bind is None:
            raise ValueError("cluster.autoscaling.max_nodes needs coordinator.http.bind: it asks there what is missing")
        return self

    @model_validator(mode="after")
    def _camera_ids_are_unique(self) -> FleetConfig:
        seen: set[str] = set()
        for camera in self.cameras:
            if camera.id in seen:
                raise ValueError(f"camera id {camera.id!r} is used twice; every camera needs its own")
            seen.add(camera.id)
        everywhere = Config.model_validate(self.engine).privacy.mode
        self.cameras[:] = [camera.at_least(everywhere) for camera in self.cameras]
        return self

    def engine_of(self, node: str) -> dict[str, Any]:
        """Return the configuration of the engines of a node, without `fleet`."""
        own = self.nodes.get(node)
        return merged(self.engine, own.engine) if own is not None else dict(self.engine)

    def engines_of(self, node: str) -> dict[str, dict[str, Any]]:
        """Return the configurations of the engines of a node by their names, without `fleet`."""
        own = self.nodes.get(node)
        if own is None or not own.engines:
            return {node: self.engine_of(node)}
        return {name: merged(self.engine_of(node), settings) for name, settings in own.engines.items()}

    def membership_of(self, node: str) -> dict[str, Any]:
        """Return what is configured of the section `fleet` of the engines of a node."""
        own = self.nodes.get(node)
        return merged(self.membership, own.membership) if own is not None else dict(self.membership)


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> FleetConfig:
    """Read a `fleet.yaml`; `overrides`, nested like the file, override it.

    Raises `ConfigError` that names the errors by file and field, without secrets.
    """
    path = Path(path)
    try:
        content = read_settings(path, ", for example `cameras: [...]`")
    except SettingsFileError as error:
        raise ConfigError(str(error)) from None
    try:
        return FleetConfig.model_validate(merged(content, overrides or {}))
    except ValidationError as error:
        found = settings_errors.with_numbers(error.errors(include_url=False))
        owner = settings_errors.camera_at(content.get("cameras"))
        text = error_text(found, FleetConfig, command=REFERENCE, owner=owner)
        raise ConfigError(f"{path}: {redact(text)}") from None


def _checked_name(value: object) -> object:
    """Return a name as it is. Raises `ValueError`, because pydantic's own words would show the pattern."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise ValueError("must be the name of a node or an engine: a-z, 0-9, -, _ and dots, for example gpu-3")
    return value


def _with_checked_names(value: object) -> object:
    """Return a mapping by names as it is. Raises `ValueError` that quotes the first one that is none."""
    for name in value if isinstance(value, Mapping) else ():  # pyright: ignore[reportUnknownVariableType]
        try:
            _checked_name(name)
        except ValueError as error:
            raise ValueError(f"{str(name)[:64]!r} {error}") from None
    return value  # pyright: ignore[reportUnknownVariableType]


def _check_engine(value: Mapping[str, Any]) -> None:
    for name in ("cameras", "fleet"):
        if name in value:
            raise ValueError(f"`{name}` does not belong there: the fleet sets it")
    try:
        Config.model_validate({**value, "fleet": {"coordinator": "tcp://127.0.0.1:1"}})
    except ValidationError as error:
        raise ValueError(error_text(error, Config, command="partstream config schema")) from None


def _check_membership(value: Mapping[str, Any]) -> None:
    for name in ("coordinator", "coordinator_file", "engine", "node", "run"):
        if name in value:
            raise ValueError(f"`{name}` does not belong there: `partstream fleet up` sets it")
    try:
        FleetSettings.model_validate({"coordinator": "tcp://127.0.0.1:1", **value})
    except ValidationError as error:
        raise ValueError(error_text(error, FleetSettings, command="partstream config schema")) from None
