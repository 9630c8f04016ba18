"""Why a peer connection brings nothing more."""

from typing import Literal

EndReason = Literal["left", "replaced", "lost", "unconnected", "silent", "stalled", "stopped"]
"""Why nothing more comes: the other end said goodbye, another took its place, its connection broke, none was made, no
picture came in time, pictures stopped coming, or we ended it."""
