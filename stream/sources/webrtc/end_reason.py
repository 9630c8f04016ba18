"""Why a peer connection ended."""

from typing import Literal

EndReason = Literal["left", "replaced", "lost", "unconnected", "silent", "stalled", "stopped"]
"""In order: the peer said goodbye, another one replaced it, the connection broke, no connection was established, no
picture arrived in time, pictures stopped arriving, or partstream ended it."""
