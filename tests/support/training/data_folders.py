"""Small data folders: videos with segments, as `partstream data import` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def put_labels(folder: Path, source: str, clips: dict[str, Any]) -> Path:
    """Write a source's labels.json; return its path."""
    path = folder / "video" / source / "labels.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode({"clips": clips}))
    return path


def clip_entry(*segments: tuple[int, int, str | None], frames: int = 100, **others: Any) -> dict[str, Any]:
    """Return a clip's entry in labels.json: 25 frames per second, 320 by 240 pixels."""
    return {"frames": frames, "fps": 25.0, "size": [320, 240], "segments": segments, **others}
