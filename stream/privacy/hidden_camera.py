"""HiddenCamera: what is hidden of a camera, known by its id and its address, for longer than the camera is there."""

from __future__ import annotations

import os.path
import posixpath
from typing import Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import Field

from stages.settings import Section
from stream.settings.engine import CameraConfig
from stream.settings.privacy.masks import MaskConfig
from stream.settings.privacy.modes import WantedPrivacy
from stream.settings.source_address import SourceAddress

_PORTS: Final = {"rtsp": 554, "rtsps": 322, "whep+http": 80, "whep+https": 443}
_SAME: Final = {"rtsps": "rtsp", "whep+https": "whep+http"}


class HiddenCamera(Section):
    """An entry of the [state file](control-api.md#state-file)."""

    id: str
    address: str | None
    """As `place_of` returns it."""
    privacy: WantedPrivacy = "off"
    masks: dict[str, MaskConfig] = Field(default_factory=dict[str, MaskConfig])

    @classmethod
    def of(cls, config: CameraConfig) -> Self:
        """Return what these settings hide."""
        return cls(id=config.id, address=place_of(config.source), privacy=config.privacy, masks=config.masks)


def place_of(source: SourceAddress) -> str | None:
    """Return an address in one form, which is the same with and without encryption, user, password and fragment.

    None for publishers and test patterns, which have one address for all. The result may hold secrets of a query.
    """
    if source.kind in ("whip", "pattern"):
        return None
    text = source.reveal()
    if source.kind not in ("rtsp", "whep"):
        scheme, _, path = text.rpartition("device:")
        return f"{scheme and 'device:'}{os.path.realpath(path)}"
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:  # it cannot be opened either
        return text
    given = f":{port}" if port not in (None, _PORTS.get(parts.scheme)) else ""
    path = posixpath.normpath(f"/{unquote(parts.path).rstrip(';').strip('/')}")
    query = "&".join(sorted(f"{name}={value}" for name, value in parse_qsl(parts.query, keep_blank_values=True)))
    return f"{_SAME.get(parts.scheme, parts.scheme)}://{host}{given}{path}{query and '?'}{query}"
