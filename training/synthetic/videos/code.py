"""The hash of the generator's code, which tells whether two data sets come from the same generator.

It covers the sources that decide what a generated video shows, and ignores what cannot change a video: where a source
is, its imports, docstrings, comments and layout.
"""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_ROOT = Path(__file__).parents[3]
SOURCES = (
    "stages/vocabularies/edge.json",
    "training/synthetic/activities/**/*.py",
    "training/synthetic/motion/motion.py",
    "training/synthetic/motion/movement.py",
    "training/synthetic/motion/procedural.py",
    "training/synthetic/motion/skeleton.py",
    "training/synthetic/rendering/*.py",
    "training/synthetic/rendering/bodies/*.py",
    "training/synthetic/rendering/surfaces/*.py",
    "training/synthetic/sequences/labels.py",
    "training/synthetic/sequences/scenes.py",
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
    """Return the SHA-256 of the sources, sorted by content."""
    files = {path for pattern in SOURCES for path in root.glob(pattern)}
    contents = (code_of(path.read_bytes()) if path.suffix == ".py" else path.read_bytes() for path in files)
    digest = hashlib.sha256()
    for content in sorted(content for content in contents if content):
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()


@cache
def code_of(source: bytes) -> bytes:
    """Return a module's source without imports, docstrings, comments and white space.

    Results are kept: commands ask for the hash several times, and reading all modules takes a second.
    """
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    kept = bytearray(source)
    for start, end in _left_out(source, lines):
        begin, stop = (starts[row - 1] + column for row, column in (start, end))
        kept[begin:stop] = b" " * (stop - begin)
    return b"".join(bytes(kept).split())


def _left_out(source: bytes, lines: list[bytes]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield (line from 1, column in bytes) of the beginning and the end of each piece to leave out."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.Expr):
            continue
        if not isinstance(node, ast.Expr) or isinstance(node.value, ast.Constant):
            assert node.end_lineno is not None and node.end_col_offset is not None
            yield (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
    for token in tokenize.tokenize(io.BytesIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            begin = len(lines[row - 1].decode()[:column].encode())
            yield (row, begin), (row, begin + len(token.string.encode()))
