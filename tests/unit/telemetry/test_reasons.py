"""Tests that the live page and the docs cover all drop and discard reasons."""

from __future__ import annotations

import re
from pathlib import Path

from telemetry.health import INTENTIONAL_DROPS
from telemetry.reasons import DiscardReason, DropReason

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "stream/http/page"


def test_the_rtsp_page_explains_every_discard_reason() -> None:
    text = (ROOT / "docs/rtsp.md").read_text()
    table = text.partition("counts the access units that gave no picture:")[2].partition("\n\nUnits")[0]
    reasons = [reason for row in table.splitlines()[3:] for reason in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(reasons) == sorted(DiscardReason)


def test_the_live_page_explains_every_unintentional_drop() -> None:
    intentional = re.search(r"const INTENTIONAL = new Set\(\[(.*?)\]\)", (PAGE / "cameras.js").read_text())
    explained = re.search(r"const DROPS = \{(.*?)\}", (PAGE / "words.js").read_text(), re.DOTALL)
    assert intentional is not None and explained is not None
    assert set(re.findall(r'"(\w+)"', intentional[1])) == INTENTIONAL_DROPS
    assert set(re.findall(r"^\s*(\w+):", explained[1], re.MULTILINE)) == set(DropReason) - INTENTIONAL_DROPS
