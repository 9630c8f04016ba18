"""Rules for the layout of product code: small folders, small files, names that say what is inside."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from support.repository import REPOSITORY

PACKAGES = [path.parent for path in sorted(REPOSITORY.glob("*/__init__.py")) if path.parent.name != "tests"]
FILES = [path for package in PACKAGES for path in sorted(package.rglob("*.py"))]
MOST_FILES, MOST_LINES = 15, 450
CATCH_ALL = {"base", "common", "helper", "helpers", "misc", "shared", "util", "utils"}


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_the_product_is_found() -> None:
    assert {"commands", "stages", "stream", "telemetry", "training"} <= {package.name for package in PACKAGES}


def test_a_folder_directly_holds_few_files() -> None:
    files = Counter(name_of(path.parent) for path in FILES if path.name != "__init__.py")
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_a_file_is_short() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES} == {}


def test_no_name_is_a_catch_all() -> None:
    places = {name_of(path): {*path.relative_to(REPOSITORY).parent.parts, path.stem} for path in FILES}
    assert {path for path, names in places.items() if names & CATCH_ALL} == set()
