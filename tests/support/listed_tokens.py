"""Tokens files for tests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ALL = "all"


def secret_of(name: str) -> str:
    """Return the token of this name."""
    return f"{name}-0123456789abcdef"


def listed(name: str, right: str = "look", cameras: Sequence[str] | str = ALL, **more: Any) -> dict[str, Any]:
    """Return a token as the file lists it."""
    digest = hashlib.sha256(secret_of(name).encode()).hexdigest()
    return {"name": name, "sha256": digest, "right": right, "cameras": cameras, **more}


def write_tokens(path: Path, *tokens: dict[str, Any]) -> Path:
    """Replace the file at once, as `partstream tokens` does."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"tokens": tokens}))  # JSON is YAML
    new.chmod(0o600)
    return new.replace(path)


def bearer(name: str) -> dict[str, str]:
    """Return the headers that send the token of this name."""
    return {"Authorization": f"Bearer {secret_of(name)}"}
