"""The README's table of cameras."""

from __future__ import annotations

import json
from typing import Any

from tools.docs import capacity_table
from tools.docs.capacity_table import page, table


def figures(*cells: tuple[str, tuple[int, int], int, int]) -> dict[str, Any]:
    """Return the figures of cells (scene, resolution, cores, cameras sustained)."""
    names = ("scene", "resolution", "cores", "sustained_cameras")
    return {
        "plan": {"fps": 5, "most": 64},
        "cells": [dict(zip(names, cell, strict=True)) | {"failure": None} for cell in cells],
    }


HD = (1280, 720)
FULL_HD = (1920, 1080)


def test_the_readme_has_the_published_figures() -> None:
    readme = capacity_table.README.read_text(encoding="utf-8")
    published = json.loads(capacity_table.FIGURES.read_text(encoding="utf-8"))
    assert readme == page(readme, published), "run `python -m tools.docs.capacity_table`"


def test_a_row_has_the_cameras_of_each_size_with_fewer_cores_in_brackets() -> None:
    made = figures(("still", HD, 1, 12), ("still", HD, 2, 25), ("still", FULL_HD, 1, 6), ("still", FULL_HD, 2, 64))
    assert table(made).splitlines() == [
        "",
        "| Cameras at 5 frames a second on two (one) cores | 1280×720 | 1920×1080 |",
        "| --- | --- | --- |",
        "| a still scene | 25 (12) | 64 or more (6) |",
        "",
    ]


def test_what_was_not_measured_or_failed_is_shown_as_missing() -> None:
    made = figures(("street", HD, 2, 3), ("room", FULL_HD, 2, 5), ("room", HD, 2, 0))
    made["cells"][2]["failure"] = "exit code 1"
    assert "| a street with 2 to 8 people | 3 | – |" in table(made)
    assert "| a room with one person | – | 5 |" in table(made)
