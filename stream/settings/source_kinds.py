"""The kinds of sources: how each is addressed and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SourceKind = Literal["rtsp", "device", "whip", "whep", "pattern", "file"]

ADDRESS_FORMS = "rtsp://…, a file, /dev/video0, whip, whep+https://… or pattern:"
"""The kinds of addresses, for errors and help."""
PACES = (
    "Files: `live` plays at the file's own rate; `loop` does too, and starts again at the end, in a new epoch; "
    "`fast` analyses every frame, as fast as possible."
)
"""What the settings of a camera's `pace` mean."""


@dataclass(frozen=True, slots=True)
class SourceTraits:
    """What every source of a kind has in common."""

    schemes: tuple[str, ...]
    """The beginnings of its addresses, up to the first colon."""
    live: bool = False
    """It sets its own pace: it stalls when it falls silent, and `pace` does not change it."""
    finite: bool = False
    """It ends. The camera ends with it unless it is looped, and ends at any error instead of reconnecting."""
    nvdec: bool = False
    """An NVIDIA GPU can decode it."""
    may_hold_secrets: bool = True
    """Its addresses may contain a password, even mistyped ones."""


TRAITS: dict[SourceKind, SourceTraits] = {
    "rtsp": SourceTraits(("rtsp", "rtsps"), live=True, nvdec=True),
    "device": SourceTraits(("device",), live=True, may_hold_secrets=False),
    "whip": SourceTraits(("whip",), live=True),
    "whep": SourceTraits(("whep+http", "whep+https"), live=True),
    "pattern": SourceTraits(("pattern",), may_hold_secrets=False),
    "file": SourceTraits((), finite=True, nvdec=True),
}
_BY_SCHEME: dict[str, SourceKind] = {scheme: kind for kind, traits in TRAITS.items() for scheme in traits.schemes}


def kind_of(address: str) -> SourceKind:
    """Return the kind of source at an address. Every address without a known scheme is a file's path."""
    return _BY_SCHEME.get(address.split(":", 1)[0].lower(), "file")
