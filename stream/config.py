"""Everything that a user can set, with the reason for each default. YAML keys are these field names.

Precedence: command line, then `PARTSTREAM_…` environment variables (`__` between levels), then the file.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

CAMERA_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")

LONGEST_ADDRESS = 2048
"""Characters of a camera's address."""

DetectorSide = Annotated[int, Field(ge=32, le=4096)]


class ConfigError(ValueError):
    """The configuration can't be used; the message names the file and the field and says what to do."""


class SourceAddress(str):
    """Where a camera's pictures come from. Prints without its secrets; only `reveal()` gives the whole address.

    Forms: `rtsp://[user:password@]host[:port]/path`, a file's path, `device:/dev/video0`, `whip`,
    `whep+https://[TOKEN@]host[:port]/path`, `pattern:[WIDTHxHEIGHT[@FPS]]`.
    """

    __slots__ = ("_secret",)
    _secret: str

    def __new__(cls, address: str) -> SourceAddress:
        made = super().__new__(cls, redact(address))
        made._secret = address
        return made

    def reveal(self) -> str:
        """The address with its credentials, for the one who opens it."""
        return self._secret

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Made from any non-empty string; a string in JSON and in its schema."""

        def parse(value: object) -> SourceAddress:
            if isinstance(value, SourceAddress):
                return value
            if not isinstance(value, str) or not value:
                raise ValueError(
                    "must be an address: rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:"
                )
            if len(value) > LONGEST_ADDRESS or not value.isprintable():
                raise ValueError(f"must be an address of at most {LONGEST_ADDRESS} printable characters")
            return cls(value)

        return core_schema.no_info_plain_validator_function(
            parse,
            json_schema_input_schema=core_schema.str_schema(min_length=1, max_length=LONGEST_ADDRESS),
            serialization=core_schema.to_string_ser_schema(),
        )

    @property
    def scheme(self) -> str:
        """What stands before the address's first colon, in lower case; `file` for a path without one.

        Whatever libav could take for a protocol is one here, also `subfile,,start,0,,:/path`.
        """
        head, colon, _ = self._secret.partition(":")
        if head.lower() == "whip":
            return "whip"
        return head.lower() if colon and "/" not in head else "file"

    @property
    def kind(self) -> Literal["rtsp", "device", "whip", "whep", "pattern", "file"]:
        """Which of the ways in it names."""
        scheme = self._secret.split(":", 1)[0].lower()
        if scheme in ("rtsp", "rtsps"):
            return "rtsp"
        if scheme in ("whep+http", "whep+https"):
            return "whep"
        return scheme if scheme in ("device", "whip", "pattern") else "file"  # pyright: ignore[reportReturnType]


def redact(address: str) -> str:
    """The address without user name, password, query and fragment: cameras carry secrets in all of them.

    Some write them into the path (`/user=admin_password=…`): of a path, all after a first `=` goes too.
    """
    if "://" not in address:
        return address
    scheme, rest = address.split("://", 1)
    place, *secrets = re.split(r"[?#=]", rest.rpartition("@")[2] if "@" in rest else rest, maxsplit=1)
    return f"{scheme}://{place}{'?…' if secrets else ''}"


class Section(BaseModel):
    """A part of the configuration: unknown keys are errors, so that a typing mistake never passes for a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class CameraConfig(Section):
    """One camera."""

    id: str = Field(description="Name in topics, metrics and logs: [a-z0-9][a-z0-9_-]{0,62}.")
    source: SourceAddress = Field(description="rtsp://…, a file, device:/dev/video0, whip, whep+https://… or pattern:.")
    enabled: bool = Field(True, description="False: the camera stays listed and nothing is read from it.")
    transport: Literal["tcp", "udp"] = Field(
        "tcp", description="RTSP's lower transport. TCP loses nothing; UDP only where a camera speaks nothing else."
    )
    decoder: Literal["auto", "software", "nvdec"] = Field(
        "software",
        description="RTSP and files: `nvdec` decodes on an NVIDIA GPU and, where that can't be, in software, counted "
        "and said in the camera's status; `auto` does so silently.",
    )
    pace: Literal["live", "fast", "loop"] = Field(
        "live",
        description="Files: `live` plays at the file's own times, `fast` hands out every frame as fast as it is taken, "
        "`loop` is live and starts again at the end, in a new epoch.",
    )
    max_fps: float | None = Field(None, gt=0, le=1000, description="Frames above this rate are dropped (rate_limited).")
    staleness_ms: int = Field(
        500,
        ge=1,
        le=3_600_000,
        description="A ready frame older than this is dropped rather than analysed: a live answer must be live.",
    )
    detector_size: tuple[DetectorSide, DetectorSide] | None = Field(
        None,
        description="Width, height of the picture that the detector sees; multiples of 32 are best. Null lets the "
        "model choose. Small (256, 256) for near people, large (768, 576) for far ones.",
    )
    ring_slots: int = Field(
        8, ge=2, le=256, description="Frames kept between decoding and inference: 8 is 0.3 s at 25 fps."
    )
    start_timeout_s: float = Field(
        10.0, gt=0, le=3600, description="How long a source may take to give its first frame."
    )
    stall_timeout_s: float = Field(
        3.0, gt=0, le=3600, description="Silence after which a live source counts as stalled."
    )
    reconnect_initial_s: float = Field(
        0.25, gt=0, le=3600, description="First wait before connecting again; doubles each time."
    )
    reconnect_max_s: float = Field(
        15.0, gt=0, le=86400, description="The longest wait: a camera back from repair is seen soon."
    )

    @field_validator("id")
    @classmethod
    def _valid_id(cls, value: str) -> str:
        if not CAMERA_ID.fullmatch(value):
            raise ValueError(f"camera id {value!r} must match [a-z0-9][a-z0-9_-]{{0,62}}")
        return value


class BatchConfig(Section):
    """Which frames go into a batch, and when it leaves."""

    max_frames: int = Field(
        8, ge=1, le=256, description="Frames a batch: more amortise launches, at the cost of latency."
    )
    max_wait_ms: float = Field(
        10.0, ge=0, description="The longest that a lone frame waits for company; the wait tunes itself below this."
    )
    max_batch_ms: float = Field(
        150.0,
        gt=0,
        description="The longest that a batch should take, by what batches took lately: with a slower model they get "
        "smaller, and older frames of live cameras give way to newer ones. A live answer must be live.",
    )


class WindowConfig(Section):
    """The action model's sliding window (docs/method.md, section 9)."""

    steps: int | None = Field(
        None,
        ge=2,
        le=1024,
        description="W, the window in steps; 64 is about 5 s at 12.5 steps a second. Unset: what the checkpoint was "
        "trained with; another number is warned of.",
    )
    mode: Literal["staggered", "exact", "continuous"] = Field(
        "staggered", description="`exact` recomputes over the window (the reference), `continuous` never forgets."
    )
    max_steps_per_second: float = Field(12.5, gt=0, description="The rate that the model was trained at.")


class TrackingConfig(Section):
    """Following people from frame to frame."""

    lost_after_s: float = Field(2.0, gt=0, description="A track ends this long (media time) after its last detection.")
    activation_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="A detection this good may begin a track. Unset: 0.25 of MoveNet, 0.5 of Cascade R-CNN, whose "
        "scores are higher.",
    )
    high_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Detections this good are matched first. Unset: 0.2 of MoveNet, 0.5 of Cascade R-CNN.",
    )
    min_iou: float = Field(0.1, ge=0, le=1, description="The least overlap of a detection with a track's prediction.")
    confirm_frames: int = Field(2, ge=1, description="Detections before a track is confirmed and published.")


class ModelConfig(Section):
    """What analyses the frames."""

    profile: str = Field(
        "edge",
        description="edge, kinetics-tps, the path of a checkpoint, or `free`: a model that costs nothing, sees nobody, "
        "and serves to measure all the rest.",
    )
    device: str = Field("auto", description="auto, cpu, cuda or cuda:N.")
    pictures: Literal["auto", "host", "device"] = Field(
        "auto",
        description="Where decoded pictures are scaled and become RGB. `host`: in each camera's thread; `device`: for "
        "the whole batch by the model's device, from the decoder's planes; auto: device on CUDA, else host.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="In which numbers detector and VGG-16 compute; all else is float32. auto is float32, without "
        "TF32: on no GPU has another been proven to give the same answers. float16 needs CUDA.",
    )
    cuda_graphs: bool = Field(
        False,
        description="On CUDA: record the detector's work for each shape of batch and replay it. Off until it has been "
        "seen at work on a GPU.",
    )
    threads: int = Field(0, ge=0, description="CPU threads for the model; 0 leaves one core to decoding.")
    detect_every: int = Field(1, ge=1, le=60, description="Detect on every k-th frame; boxes are interpolated between.")
    max_people: int = Field(32, ge=1, le=256, description="People kept in a frame, best first.")
    state_slots: int = Field(256, ge=1, le=65536, description="Tracked people whose state is kept, over all cameras.")
    person_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Detections below are ignored; a track begins at tracking.activation_score. Unset: what suits the "
        "profile's detector, 0.1 so far.",
    )
    keypoint_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="A part whose joints, or where the detector finds parts whose box, scores below this is absent. "
        "Unset: 0.2 of joints, 0.1 of boxes.",
    )
    object_score: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Objects below are neither published nor held, where the detector finds any. Unset: 0.3.",
    )


class PublishConfig(Section):
    """ZeroMQ out (docs/wire.md), and to whom (docs/security.md)."""

    endpoint: str = Field("tcp://127.0.0.1:5555", description="Where subscribers connect (XPUB). Port 0 picks one.")
    replay: str = Field("tcp://127.0.0.1:5556", description="Where missed messages are asked for (ROUTER).")
    encoding: Literal["json", "msgpack"] = Field(
        "json", description="JSON is read by everything; MessagePack is smaller."
    )
    high_water_mark: int = Field(
        256, ge=1, description="Messages queued for a slow subscriber before newer ones are dropped for it."
    )
    history_messages: int = Field(2000, ge=1, description="Messages a topic kept for replay: 80 s at 25 fps.")
    history_bytes: int = Field(64 << 20, ge=1 << 10, description="Memory for all history; the oldest goes first.")
    stats_interval_s: float = Field(1.0, gt=0, description="How often `stats/v1/` is published.")
    curve_secret_key_file: Path | None = Field(
        None,
        description="The engine's secret key, of `partstream keys new` (docs/security.md): both sockets encrypt, and "
        "take only clients of `curve_allowed_keys`.",
    )
    curve_allowed_keys: Path | None = Field(
        None,
        description="Clients' public keys: a directory of `*.key` files, or one file that holds several. Changes count "
        "for new connections, without a restart.",
    )
    allow_plaintext: bool = Field(
        False,
        description="Let the sockets listen off loopback without CURVE: whoever reaches them reads all results.",
    )

    @model_validator(mode="after")
    def _keys_go_together(self) -> PublishConfig:
        if (self.curve_secret_key_file is None) != (self.curve_allowed_keys is None):
            raise ValueError("curve_secret_key_file and curve_allowed_keys go together: set both, or neither")
        return self


class HttpConfig(Section):
    """Metrics, health and the control API (docs/control-api.md)."""

    bind: str | None = Field(
        "127.0.0.1:9090",
        description="host:port; port 0 picks one; null switches the server off. Any address but a loopback one needs "
        "a token.",
    )
    read_token: SecretStr | None = Field(
        None, description="Lets its bearer read: metrics, status, results, the configuration."
    )
    control_token: SecretStr | None = Field(
        None, description="Lets its bearer read and change cameras. Unset: no change is taken from other hosts."
    )
    tls_certificate: Path | None = Field(None, description="PEM file, the chain included: HTTPS instead of HTTP.")
    tls_key: Path | None = Field(None, description="PEM file of its private key, without a passphrase.")
    cors_origins: list[str] = Field(
        default_factory=list[str],
        description="Web pages of other origins that may use the API, as `https://host[:port]`. Empty: none.",
    )
    camera_schemes: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9+.-]*$")]] = Field(
        default=["rtsp", "rtsps", "whip", "pattern"],
        description="What addresses of cameras added over HTTP may begin with; `file` stands for paths. The "
        "configuration's own cameras may have any.",
    )
    max_cameras: int = Field(64, ge=1, le=1024, description="Cameras; over HTTP none is added beyond.")
    max_streams: int = Field(
        64,
        ge=0,
        le=1024,
        description="Answers that go on (events, pictures) at once; a live page has two. A further one is refused.",
    )
    requests_per_second: float = Field(
        50.0,
        gt=0,
        le=1e6,
        description="Requests taken from one address; twice as many at once. Those for health and metrics don't count.",
    )

    @field_validator("bind")
    @classmethod
    def _host_and_port(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r".+:\d{1,5}", value):
            raise ValueError(f"{value!r} is not host:port, for example 127.0.0.1:9090")
        return value

    @field_validator("cors_origins")
    @classmethod
    def _whole_origins(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not re.fullmatch(r"https?://[^/?#@\s*]+", origin):
                raise ValueError(f"{origin!r} is not an origin, for example https://wall.example:8443")
        return [origin.lower() for origin in value]

    @model_validator(mode="after")
    def _tokens_and_tls(self) -> HttpConfig:
        read, control = self.read_token, self.control_token
        if read is not None and control is not None and read.get_secret_value() == control.get_secret_value() != "":
            raise ValueError("read_token and control_token are the same: who may read could change cameras")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together: set both, or neither")
        return self


class IceServer(Section):
    """A server that helps connections through firewalls."""

    urls: list[str] = Field(
        min_length=1, description="`stun:host[:port]`, `turn:host[:port][?transport=tcp]` or `turns:host[:port]`."
    )
    username: str = Field("", description="For TURN.")
    credential: SecretStr | None = Field(None, description="The password for TURN.")

    @field_validator("urls")
    @classmethod
    def _known(cls, value: list[str]) -> list[str]:
        for url in value:
            if not re.fullmatch(
                r"(stun:[^?:@\s]+(:\d{1,5})?|turns?:[^?:@\s]+(:\d{1,5})?(\?transport=(udp|tcp))?)", url
            ):
                raise ValueError("must be stun:host[:port], turn:host[:port][?transport=tcp] or turns:host[:port]")
        return value


class WebRtcConfig(Section):
    """Cameras over WebRTC (docs/webrtc.md)."""

    max_publishers: int = Field(
        8, ge=0, le=256, description="Cameras that are published to (`source: whip`) at once; a further one is refused."
    )
    ice_servers: list[IceServer] = Field(
        default_factory=list[IceServer],
        description="STUN and TURN servers; the first of each kind is used. Empty: none, which does in one network.",
    )
    min_bitrate_kbps: int = Field(
        1500,
        ge=0,
        le=100_000,
        description="What Chromium is told never to send less than: below it makes its picture smaller. 0: nothing.",
    )
    start_bitrate_kbps: int = Field(
        3000, ge=0, le=100_000, description="The bitrate that Chromium is told to begin with. 0: its own, 300."
    )
    max_bitrate_kbps: int = Field(
        8000, ge=0, le=100_000, description="What publishers are told never to send more than. 0: nothing."
    )


LATE_S = 2.0
"""How much later than its frame an event may come to be recorded, by the model and by the recorder's sleep: packets are
held so much longer."""


class RecordingConfig(Section):
    """Clips of the seconds around events ([recording.md](recording.md))."""

    directory: Path | None = Field(None, description="Where clips go. Unset: nothing is recorded.")
    actions: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = Field(
        None,
        description="Actions whose begin makes a clip, with the least score: `{fall: 0.6, kick: 0.5}`. Unset: from "
        "0.5 all but stand, walk, sit, lie, carry and other, which people do all day.",
    )
    cameras: list[str] = Field(default_factory=list[str], description="Ids of cameras to record. Empty: all.")
    seconds_before: float = Field(5.0, ge=0, le=120, description="Shown before an event, at least.")
    seconds_after: float = Field(5.0, ge=0, le=600, description="Shown after the last event's end.")
    max_clip_s: float = Field(60.0, ge=1, le=3600, description="A clip's longest length, however long its events are.")
    budget: ByteSize = Field(
        ByteSize(10 * 10**9),
        ge=1 << 20,
        description="Bytes of all clips, or as `20GB`, `500MB`; the oldest go first.",
    )
    least_free: ByteSize = Field(
        ByteSize(10**9), description="Free bytes on the disk below which no clip is written: others need it too."
    )
    packet_bytes: ByteSize = Field(
        ByteSize(32 << 20),
        ge=1 << 16,
        description="Memory a camera for encoded pictures held: 8 Mbit/s for 32 s. Less is shown before an event where "
        "it doesn't suffice.",
    )
    packet_seconds: float = Field(
        30.0, ge=3, le=600, description="The same in seconds: key frames further apart than this give no clips."
    )

    @field_validator("cameras")
    @classmethod
    def _camera_ids(cls, value: list[str]) -> list[str]:
        for camera_id in value:
            if not CAMERA_ID.fullmatch(camera_id):
                raise ValueError(f"{camera_id!r} is no camera's id")
        return value

    @model_validator(mode="after")
    def _lengths_go_together(self) -> RecordingConfig:
        if self.max_clip_s <= self.seconds_before:
            raise ValueError("max_clip_s must be more than seconds_before: no event would be in its clip")
        if self.packet_seconds < self.seconds_before + LATE_S:
            raise ValueError(f"packet_seconds must be at least seconds_before and {LATE_S:g} s more")
        return self


class Config(Section):
    """All of it."""

    cameras: list[CameraConfig] = Field(default_factory=list[CameraConfig])
    model: ModelConfig = Field(default_factory=ModelConfig)  # pyright: ignore[reportArgumentType]
    window: WindowConfig = Field(default_factory=WindowConfig)  # pyright: ignore[reportArgumentType]
    tracking: TrackingConfig = Field(default_factory=TrackingConfig)  # pyright: ignore[reportArgumentType]
    batch: BatchConfig = Field(default_factory=BatchConfig)  # pyright: ignore[reportArgumentType]
    publish: PublishConfig = Field(default_factory=PublishConfig)  # pyright: ignore[reportArgumentType]
    http: HttpConfig = Field(default_factory=HttpConfig)  # pyright: ignore[reportArgumentType]
    webrtc: WebRtcConfig = Field(default_factory=WebRtcConfig)  # pyright: ignore[reportArgumentType]
    recording: RecordingConfig = Field(default_factory=RecordingConfig)  # pyright: ignore[reportArgumentType]
    once: bool = Field(False, description="Stop when every source has ended (files) instead of waiting for more.")
    results: Annotated[Path | None, Field(description="Also write every result as a JSON line.")] = None
    state_file: Annotated[
        Path | None,
        Field(
            description="Where changes of cameras made at run time are kept, to hold after a restart too. It has the "
            "cameras' passwords and is readable by its owner only."
        ),
    ] = None

    @model_validator(mode="after")
    def _camera_ids_are_unique(self) -> Config:
        seen: set[str] = set()
        for camera in self.cameras:
            if camera.id in seen:
                raise ValueError(f"camera id {camera.id!r} is used twice: every camera needs its own")
            seen.add(camera.id)
        return self

    @model_validator(mode="after")
    def _published_cameras_have_a_server(self) -> Config:
        for camera in self.cameras:
            if camera.source.kind == "whip" and self.http.bind is None:
                raise ValueError(f"camera {camera.id}: nobody can publish to it while http.bind is null")
        return self


class _Environment(Config, BaseSettings):
    """Knows which `PARTSTREAM_…` variables mean which field."""

    model_config = SettingsConfigDict(env_prefix="PARTSTREAM_", env_nested_delimiter="__")


def load(path: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Read the YAML file (if any), lay the environment over it and `overrides` (nested, like the file) over both.

    Raises `ConfigError` with every fault named by file and field; values are never quoted, they may be secret.
    """
    layers = [_read(path) if path is not None else {}, _read_environment(), overrides or {}]
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer)
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc']) or 'configuration'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        raise ConfigError(f"{path or 'configuration'}: {faults}") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigError(f"{path}{f', line {mark.line + 1}' if mark else ''}: not valid YAML") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: must be a mapping of settings, for example `cameras: [...]`")
    return content


def _read_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(_Environment)()
    except SettingsError as error:
        raise ConfigError(f"environment: {error}; lists are given as JSON") from None


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        current = merged.get(key)
        merged[key] = _merge(current, value) if isinstance(current, dict) and isinstance(value, dict) else value
    return merged
