"""The product files that a module depends on."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from support.repository import REPOSITORY


def imported_files(module: str) -> set[Path]:
    """Return the files of a module and of all product modules that it imports, directly or not.

    Telemetry and modules without code, such as most `__init__.py`, are left out.
    """
    found, waiting = set[Path](), [REPOSITORY.joinpath(*module.split(".")).with_suffix(".py")]
    while waiting:
        file = waiting.pop()
        if file not in found and (imported := _imported_by(file)) is not None:
            found.add(file)
            waiting += imported
    return found


@cache
def _imported_by(file: Path) -> list[Path] | None:
    """Return the product files that a file imports itself; None if it has no code."""
    statements = ast.parse(file.read_bytes()).body
    if all(isinstance(statement, ast.Expr) for statement in statements):
        return None
    imported: list[Path] = []
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith("telemetry"):
            source = REPOSITORY.joinpath(*node.module.split("."))
            names = ["__init__", *(name.name for name in node.names)]
            candidates = [source.with_suffix(".py"), *(source / f"{name}.py" for name in names)]
            imported += [path for path in candidates if path.is_file()]
    return imported
