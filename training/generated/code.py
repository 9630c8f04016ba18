"""Which code made a data set: one hash of all sources that decide what a generated video shows. Owns nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

_ROOT = Path(__file__).parents[2]
SOURCES = (
    "stages/vocabularies/edge.json", "training/activities/*.py", "training/generated/annotation.py",
    "training/generated/cast.py", "training/generated/film.py", "training/generated/hands.py",
    "training/generated/making.py", "training/generated/observation.py", "training/generated/settings.py",
    "training/generated/video_file.py", "training/labels.py", "training/motion.py", "training/movement.py",
    "training/procedural.py", "training/rendering/*.py", "training/scenes.py", "training/skeleton.py",
)  # fmt: skip


def code_hash(root: Path = _ROOT) -> str:
    """SHA-256 over names and contents of the sources, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
