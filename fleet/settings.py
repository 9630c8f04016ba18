"""The configuration of a fleet, `fleet.yaml`. YAML keys are the field names."""

from __future__ import annotations

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from fleet.placement import PlacementSettings, Wish
from stages.settings import LEAST, Section
from stages.settings_file import error_text, merged
from stream.alerts.alert_book import default_file
from stream.config import Config, check_unique, read, validated
from stream.settings.config_error import ConfigError
from stream.settings.engine import CameraConfig, PublishConfig
from stream.settings.network import BoundEndpoint, HttpConfig, whole_origins

REFERENCE = "docs/fleet.md"
"""Describes all settings."""
ENGINE = "{engine}"
"""In the text of an engine's setting, stands for the engine's name."""
ANY_PORT = {
    "publish": {"endpoint": "tcp://127.0.0.1:0", "replay": "tcp://127.0.0.1:0"},
    "http": {"bind": "127.0.0.1:0"},
}
"""Several engines fit on a machine: their ports are given by the kernel."""
_SECTION = re.compile(r"(?<![.\w])(http|publish)\.(?=[a-z])")
"""The beginning of the name of an engine's setting."""
_NAME = r"[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?"
_WHOLE = "CPU|GPU|TPU|HPU|NPU|TTNPU|RBLN|MBLT|FURIOSA|neuron_cores|memory|object_store_memory"
"""Resources that Ray gives by the piece only, or by settings of their own."""
_TAG = re.compile(rf"(?!(?:{_WHOLE})$)[A-Za-z0-9][\w.:/-]{{0,127}}|(?:{_NAME}/)?{_NAME}={_NAME}", re.ASCII)
_OF_ENGINES = re.compile(r" \(PARTSTREAM_\w+\)")
"""Variables that only engines read."""


class FleetCamera(CameraConfig):
    """A camera of a fleet: the settings of a camera, and those of its placement."""

    pin: str | None = Field(
        None,
        description="Read it only on nodes with this tag, for example because they have a capture device: a resource "
        "of a Ray node, such as `gate-usb` or `node:10.0.0.3`, or a label, as `key=value`. Unset: on any node.",
    )
    expected_mpx: float = Field(
        20.0,
        ge=LEAST,
        le=100_000,
        description="Megapixels per second expected until they are measured; 1080p at 25 fps is 52.",
    )

    @field_validator("pin")
    @classmethod
    def _pin_can_be_on_a_node(cls, pin: str | None) -> str | None:
        if pin is not None and _TAG.fullmatch(pin) is None:
            raise ValueError("give a resource of a Ray node, but not processors or memory, or a label as `key=value`")
        return pin

    @model_validator(mode="after")
    def _a_device_is_pinned(self) -> FleetCamera:
        if self.source.kind == "device" and self.pin is None:
            raise ValueError("a capture device needs `pin`, a resource or a label of the Ray node that has it")
        return self

    @property
    def wish(self) -> Wish:
        """What the placement depends on."""
        return Wish(self.enabled, self.pin, self.expected_mpx)

    def for_engine(self) -> dict[str, Any]:
        """Return the settings as an engine gets them, with the address's secrets, without `id` and defaults."""
        settings = self.model_dump(mode="json", exclude_defaults=True, exclude={"id", "enabled", "pin", "expected_mpx"})
        return settings | {"source": self.source.reveal()}

    def whole(self) -> dict[str, Any]:
        """Return all settings other than defaults, with the address's secrets."""
        return self.model_dump(mode="json", exclude_defaults=True) | {"source": self.source.reveal()}


class FleetHttpConfig(HttpConfig):
    """The controller's HTTP server, with the settings of an engine's."""

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


class ControllerConfig(Section):
    """The controller: where readers reach it, and what it stores. Files and addresses are those of the head."""

    directory: BoundEndpoint = Field(
        "tcp://127.0.0.1:5571", description="Address of the directory, for readers (XPUB)."
    )
    replay: BoundEndpoint = Field(
        "tcp://127.0.0.1:5572", description="Address for requests of missed directory messages."
    )
    http: FleetHttpConfig = Field(default_factory=FleetHttpConfig)  # pyright: ignore[reportArgumentType]
    store: Path = Field(
        Path("fleet.db"),
        description="SQLite file with cameras, placements and drains. It contains the cameras' passwords and is "
        "readable only by its owner. Its folder is created.",
    )
    curve_secret_key_file: Path | None = Field(
        None,
        description="The controller's secret key from `partstream keys new` (docs/security.md). The directory is then "
        "encrypted, and only for the readers in `curve_allowed_keys`.",
    )
    curve_allowed_keys: Path | None = Field(
        None, description="Public keys of readers: a directory of `*.key` files, or one file."
    )
    allow_plaintext: bool = Field(False, description="Allow addresses other than loopback without CURVE.")

    @property
    def publishing(self) -> PublishConfig:
        """The directory's settings as a publisher's."""
        own = self.model_dump(include={"replay", "curve_secret_key_file", "curve_allowed_keys", "allow_plaintext"})
        queues = {"high_water_mark": 4096, "history_messages": 64, "history_bytes": 16 << 20}
        return PublishConfig.model_validate({"endpoint": self.directory} | own | queues)


class EnginesConfig(Section):
    """How many engines there are, and what Ray gives each."""

    least: int = Field(1, ge=0, le=10_000, description="Minimum number of engines.")
    most: int = Field(64, ge=1, le=10_000, description="Maximum number of engines.")
    reserve: int = Field(1, ge=0, le=1000, description="Engines beyond those that the cameras need.")
    num_cpus: float = Field(1.0, ge=0, le=4096, description="CPUs that Ray reserves for an engine.")
    num_gpus: float = Field(0.0, ge=0, le=64, description="GPUs that Ray reserves for an engine.")
    resources: dict[str, Annotated[float, Field(ge=0, le=1e6)]] = Field(
        default_factory=dict[str, float],
        description="Further resources that Ray reserves for an engine, for example to keep them off a node.",
    )
    capacity: float = Field(
        100.0,
        ge=LEAST,
        le=1e6,
        description="Decoded megapixels per second that an engine can take, until it has measured this.",
    )
    empty_s: float = Field(
        600.0, ge=1, le=86_400, description="Time without cameras after which an engine that is not needed ends."
    )


class FleetConfig(Section):
    """The whole configuration of a fleet."""

    controller: ControllerConfig = Field(default_factory=ControllerConfig)  # pyright: ignore[reportArgumentType]
    engines: EnginesConfig = Field(default_factory=EnginesConfig)  # pyright: ignore[reportArgumentType]
    placement: PlacementSettings = Field(default_factory=PlacementSettings)  # pyright: ignore[reportArgumentType]
    engine: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="The configuration of every engine (docs/configuration.md), without `cameras`. In texts, "
        f"`{ENGINE}` stands for the engine's name: engines of one machine need folders of their own.",
    )
    cameras: list[FleetCamera] = Field(
        default_factory=list[FleetCamera],
        description="The cameras, with the settings of an engine's, `pin` and `expected_mpx`.",
    )

    @field_validator("engine")
    @classmethod
    def _is_an_engine(cls, value: dict[str, Any]) -> dict[str, Any]:
        if wrong := value.keys() & {"cameras", "state_file", "once"}:
            raise ValueError(f"`{min(wrong)}` does not belong there: the fleet gives engines their cameras")
        return value

    @model_validator(mode="after")
    def _is_valid_for_every_engine(self) -> FleetConfig:
        for number in range(1, self.engines.most + 1 if ENGINE in str(self.engine) else 2):
            try:
                self.of_engine(f"engine-{number}")
            except ValidationError as error:
                text = error_text(error, Config, command="partstream config schema")
                raise ValueError(f"engine: {text}") from None
        check_unique(self.cameras)
        self.cameras[:] = [camera.at_least(self.of_engine("engine-1").privacy.mode) for camera in self.cameras]
        return self

    def engine_settings(self, name: str) -> dict[str, Any]:
        """Return the configuration of the engine of this name, as `Config` takes it."""
        settings = json.loads(json.dumps(merged(ANY_PORT, self.engine), default=str).replace(ENGINE, name))
        if settings.get("rules_file") is not None:  # the default file would be the same for engines of a machine
            settings.setdefault("alerts_file", str(default_file(Path(f"{settings['rules_file']}.{name}.yaml"))))
        return settings

    def of_engine(self, name: str) -> Config:
        """Return the same, checked."""
        return Config.model_validate(self.engine_settings(name))


def load(path: str | Path) -> FleetConfig:
    """Read a `fleet.yaml`. Raises `ConfigError` that names the errors by file and field, without secrets."""
    return validated(FleetConfig, read(Path(path)), str(path), REFERENCE)


def named_in_fleet(text: str) -> str:
    """Return an error of settings of a server or a publisher with the names that they have in `controller`."""
    text = _OF_ENGINES.sub("", text.replace("publish.endpoint", "controller.directory"))
    return _SECTION.sub(lambda found: "controller." if found[1] == "publish" else "controller.http.", text)


@contextmanager
def naming_settings() -> Generator[None]:
    """Name settings in a `ConfigError` as a fleet's configuration does."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(named_in_fleet(str(error))) from None
