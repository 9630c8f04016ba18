"""The files of the fleet's live page: its own, and those that it shares with an engine's page."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from fleet.page_api import page_files
from support.repository import REPOSITORY

FILES = sorted((REPOSITORY / "fleet" / "page").iterdir())


def test_every_file_is_served_once_and_is_part_of_the_package() -> None:
    served = [route.path for route in page_files()]
    assert len(served) == len(set(served)) and all(route.needs == "open" for route in page_files())
    own = {f"/page/fleet/{file.name}" for file in FILES if file.name not in ("index.html", "engine_worker.js")}
    assert {path for path in served if path.startswith("/page/fleet/")} == own
    assert {"/", "/page/screen.js", "/page/base.css"} <= set(served)
    assert not any("engine_worker" in path or path.startswith("/review") for path in served)
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert setup["fleet"] == ["page/*"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_refers_to_served_files_only_and_runs_no_text_as_code(file: Path) -> None:
    text, served = file.read_text(), {route.path for route in page_files()}
    names = [name.replace("./", "/page/fleet/") for name in re.findall(r'from "([^"]+)"', text)]
    assert set(names) | set(re.findall(r'(?:src|href)="(/page/[^"]+)"', text)) <= served
    assert not re.findall(r"https?://\w", text)
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in text
    if file.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", text)
