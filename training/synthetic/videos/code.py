"""Which code made a data set: one hash of all sources that decide what a generated video shows. Owns nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

_ROOT = Path(__file__).parents[3]
SOURCES = (
    "stages/vocabularies/edge.json",
    "training/synthetic/activities/*.py",
    "training/synthetic/motion/motion.py",
    "training/synthetic/motion/movement.py",
    "training/synthetic/motion/procedural.py",
    "training/synthetic/sequences/scenes.py",
    "training/synthetic/motion/skeleton.py",
    "training/synthetic/rendering/*.py",
    "training/synthetic/rendering/bodies/*.py",
    "training/synthetic/rendering/surfaces/*.py",
    "training/synthetic/sequences/labels.py",
    "training/synthetic/videos/annotation.py",
    "training/synthetic/videos/cast.py",
    "training/synthetic/videos/film.py",
    "training/synthetic/videos/hands.py",
    "training/synthetic/videos/making.py",
    "training/synthetic/videos/observation.py",
    "training/synthetic/videos/settings.py",
    "training/synthetic/videos/video_file.py",
)


def code_hash(root: Path = _ROOT) -> str:
    """SHA-256 over names and contents of the sources, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in root.glob(pattern)):
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
