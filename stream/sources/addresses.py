"""Addresses of sources: what can be told of each before anything is opened. Imports neither FFmpeg nor WebRTC.

The transports parse with the same functions, so that a check before finds what they would refuse.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from stream.settings.engine import CameraConfig
from stream.settings.source_kinds import ADDRESS_FORMS
from stream.sources.errors import SourceError
from stream.sources.rtsp.protocol.address import RtspAddress

DEFAULT_SIZE = (640, 360)
DEFAULT_FPS = 25.0
PATTERN = re.compile(r"pattern:(?:(\d{2,4})x(\d{2,4})(?:@(\d{1,3}(?:\.\d+)?))?)?")
MIN_SIDE = 64
MAX_FPS = 240.0
DEVICE_OPTIONS = {
    "size": ("video_size", re.compile(r"\d{2,5}x\d{2,5}")),
    "fps": ("framerate", re.compile(r"\d{1,3}(\.\d+)?")),
    "format": ("input_format", re.compile(r"[a-z0-9]{2,16}")),
}
"""Options of a device: name in the address, FFmpeg's name, and pattern of the value."""
FFMPEG_SCHEME = re.compile(
    "amqp|android_content|async|bluray|cache|concatf?|crypto|data|dtls|fd|ffrtmpcrypt|ffrtmphttp|file|ftp|gophers?|hls|"
    "httpproxy|https?|icecast|ipfs|ipns|md5|mms[ht]?|nfs|pipe|prompeg|rist|rtmp(e|s|t|te|ts)?|rtp|rtsps?|sap|sctp|sftp|"
    "smb|srtp?|subfile|tcp|tee|tls|udp|udplite|unix|wss?|zmq"
)
"""Schemes that FFmpeg knows in any build of it."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def check_address(config: CameraConfig) -> None:
    """Raise `SourceError` for an address that no engine can ever open, with the words of the engine."""
    address = config.source.reveal()
    match config.source.kind:
        case "rtsp":
            parse_rtsp(config)
        case "device":
            parse_device(config.id, address)
        case "pattern":
            parse_pattern(config.id, address, config.max_pixels)
        case "whip":
            check_whip(config)
        case "whep":
            try:
                parse_gateway_url(address)
            except ValueError:
                raise bad_gateway(config) from None
        case "file":
            url = _URL.match(address)
            if url is not None and not FFMPEG_SCHEME.fullmatch(url[1].lower()):
                raise unknown_kind(config.id, str(config.source))


def unknown_kind(camera: str, address: str) -> SourceError:
    """Return the error for an address without its secrets that is neither a path nor of a known kind."""
    what = f"{address} is neither a file nor an address of a supported kind"
    return SourceError("bad_address", camera, what, f"Write {ADDRESS_FORMS}")


def parse_pattern(camera: str, address: str, max_pixels: int | None = None) -> tuple[tuple[int, int], float]:
    """Return size (width, height) and frames per second. Raises `SourceError`."""
    match = PATTERN.fullmatch(address)
    width, height = (int(match[1]), int(match[2])) if match and match[1] else DEFAULT_SIZE
    fps = float(match[3]) if match and match[3] else DEFAULT_FPS
    if match is None or min(width, height) < MIN_SIDE or not 0 < fps <= MAX_FPS:
        raise SourceError(
            "bad_address",
            camera,
            f"{address!r} is not a test pattern (at least {MIN_SIDE}x{MIN_SIDE}, at most {MAX_FPS:g} fps)",
            "Write pattern: or pattern:640x360@25",
        )
    if max_pixels is not None and width * height > max_pixels:
        raise SourceError(
            "bad_address",
            camera,
            f"the pictures of {address!r} are larger than max_picture ({max_pixels} pixels)",
            "Write a smaller size, or raise max_picture",
        )
    return (width, height), fps


def parse_device(camera: str, address: str) -> tuple[str, dict[str, str]]:
    """Return the device's path and FFmpeg's options. Raises `SourceError`."""
    path, _, query = address.partition(":")[2].partition("?")
    example = "Write device:/dev/video0, or device:/dev/video0?size=1280x720&fps=30&format=mjpeg"
    if not path.startswith("/dev/"):
        raise SourceError("bad_address", camera, f"{address!r} is not a device", example)
    options: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        name, pattern = DEVICE_OPTIONS.get(key, ("", re.compile(r"(?!)")))
        if not pattern.fullmatch(value):
            raise SourceError("bad_address", camera, f"{address!r}: {key}={value} is not supported", example)
        options[name] = value
    return path, options


def parse_rtsp(config: CameraConfig) -> RtspAddress:
    """Return the parts of a camera's RTSP address. Raises `SourceError`."""
    address = config.source.reveal()
    try:
        return RtspAddress.parse(address)
    except ValueError:
        remedy = "Write rtsp://[user:password@]host[:port]/path"
        if "@" in address:
            remedy += ", in the password with %2F for /, %23 for #, %3F for ?, %3A for : and %40 for @"
        raise SourceError("bad_address", config.id, f"{config.source} is not an RTSP address", remedy) from None


def check_whip(config: CameraConfig) -> None:
    """Raise `SourceError` unless the address is `whip`."""
    if config.source.reveal().lower() not in ("whip", "whip:"):
        raise SourceError("bad_address", config.id, "nothing may follow `whip:`", "Write source: whip")


def parse_gateway_url(address: str) -> SplitResult:
    """Return the URL of a WHEP address, without `whep+`. Raises `ValueError` if it is invalid."""
    scheme, _, rest = address.partition("+")[2].partition("://")
    parts = urlsplit(f"{scheme}://{rest}")
    if scheme.lower() not in ("http", "https") or not parts.hostname or (parts.port or 1) > 65535:
        raise ValueError("not a WHEP address")
    return parts


def bad_gateway(config: CameraConfig) -> SourceError:
    """Return the error for an invalid WHEP address."""
    return SourceError(
        "bad_address",
        config.id,
        f"{config.source} is not a WHEP address",
        "Write whep+http://[user:password@]host[:port]/path or whep+https://[TOKEN@]host[:port]/path",
    )
