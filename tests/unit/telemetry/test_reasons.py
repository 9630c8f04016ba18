"""The page and the docs know every reason for a drop or a discard."""

from __future__ import annotations

import re
from pathlib import Path

from telemetry.health import INTENTIONAL_DROPS
from telemetry.reasons import DiscardReason, DropReason

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "stream/http/page"


def test_the_rtsp_page_explains_every_reason_for_a_discard() -> None:
    text = (ROOT / "docs/rtsp.md").read_text()
    table = text.partition("counts the discarded access units:")[2].partition("\n\nSet the camera")[0]
    reasons = [reason for row in table.splitlines()[3:] for reason in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(reasons) == sorted(DiscardReason)


def test_the_live_page_explains_every_drop_that_was_not_intended() -> None:
    harmless = re.search(r"const HARMLESS = new Set\(\[(.*?)\]\)", (PAGE / "cameras.js").read_text())
    explained = re.search(r"const DROPS = \{(.*?)\}", (PAGE / "words.js").read_text(), re.DOTALL)
    assert harmless is not None and explained is not None
    assert set(re.findall(r'"(\w+)"', harmless[1])) == INTENTIONAL_DROPS
    assert set(re.findall(r"^\s*(\w+):", explained[1], re.MULTILINE)) == set(DropReason) - INTENTIONAL_DROPS
