"""The live page's files: a fixed set is served, and none needs an exception from the content policy."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import get_args

import pytest
from aiohttp import ClientSession

from stream.http.endpoints.page_files import POLICY, TYPES, page_routes
from stream.http.server.app import HttpServer
from stream.settings.network import HttpConfig
from stream.sources import errors
from support.repository import REPOSITORY
from telemetry.metrics import PrometheusObserver

FOLDER = REPOSITORY / "stream" / "http" / "page"
FILES = sorted(file for file in FOLDER.rglob("*") if file.is_file())


def address_of(file: Path) -> str:
    """Return where a page file is served."""
    roots = {"index.html": "/", "review/index.html": "/review"}
    name = file.relative_to(FOLDER).as_posix()
    return roots.get(name, f"/page/{name}")


def test_every_file_has_its_address_and_is_part_of_the_package() -> None:
    assert {route.path for route in page_routes()} == {address_of(file) for file in FILES}
    assert all(file.suffix in TYPES for file in FILES)
    setup = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    patterns = setup["stream.http"]
    assert all(
        any(fnmatch(f"page/{file.relative_to(FOLDER).as_posix()}", pattern) for pattern in patterns) for file in FILES
    )


def test_page_files_refer_only_to_existing_local_files() -> None:
    served = {route.path for route in page_routes()}
    for file in FILES:
        text = file.read_text()
        for name in re.findall(r'from "(\.[^"]+)"', text):
            assert address_of((file.parent / name).resolve()) in served, (file.name, name)
        for path in re.findall(r'(?:src|href)="(/page/[^"]+)"', text):
            assert path in served, (file.name, path)
        assert set(re.findall(r"https?://[\w.]+", text)) <= {"http://www.w3.org"}, f"{file.name} loads from elsewhere"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_no_page_file_inserts_html_or_runs_text_as_code(file: Path) -> None:
    text = file.read_text()
    for forbidden in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert forbidden not in text
    if file.suffix == ".html":
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", text)


def test_every_reason_for_missing_pictures_has_a_text() -> None:
    table = re.search(r"const REASONS = {(.*?)\n}", (FOLDER / "words.js").read_text(), re.DOTALL)
    assert table is not None
    in_words = set(re.findall(r"^  (\w+):", table[1], re.MULTILINE))
    assert set(get_args(errors.Reason)) - in_words == set()


async def test_page_files_are_served_with_their_policy_and_nothing_else_is_served() -> None:
    config = HttpConfig.model_validate({"bind": "0.0.0.0:0", "read_token": "reads-0123456789"})
    verdict = lambda: (True, [])  # noqa: E731
    server = HttpServer(config, metrics=PrometheusObserver().exposition, ready=verdict, alive=verdict)
    await server.start()
    address = server.address.replace("0.0.0.0", "127.0.0.1")
    try:
        async with ClientSession() as session:
            for file in FILES:
                async with session.get(address + address_of(file)) as answer:
                    assert (answer.status, answer.content_type) == (200, TYPES[file.suffix])
                    assert await answer.read() == file.read_bytes()
                    assert answer.headers["Content-Security-Policy"] == POLICY
                    assert answer.headers["X-Content-Type-Options"] == "nosniff"
            for path in ("/page/", "/page/../app.py", "/page/%2e%2e/app.py", "/page/index.html"):
                async with session.get(f"{address}{path}") as answer:
                    assert answer.status == 401, path
    finally:
        await server.stop()
    assert "unsafe" not in POLICY and "default-src 'none'" in POLICY and "script-src 'self'" in POLICY
