"""Alerts on the live page of an engine with rules: the list, the mark on a camera's tile, and acknowledgement."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from ring_buffers.frames import Lease
from stages.free_model import FreeModel
from stages.types import ActionAnalysis, FrameAnalysis, PersonAnalysis
from stream.engine import Engine
from stream.results import Alert, Message
from support.engines.controlled_engine import configured
from support.repository import REPOSITORY
from support.waiting import until
from support.webrtc.chromium import Page
from support.webrtc.live_page import shown, tile

ARTEFACTS = REPOSITORY / "tests" / "artefacts"
RULES = """
rules:
  lying: {action: lie, zone: hall, for: 0.4s, severity: critical, clear_after: 0.4s, cameras: [door]}
  visitors: {zone: hall, people: {at_least: 1}, for: 0.2s, severity: info, clear_after: 0.4s, cameras: [gate]}
"""
HALL = {"points": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}
ROWS = "[...document.querySelectorAll('#alerts > li')]"
ROW = "document.querySelector('#alerts > li')"
LARGE = "document.querySelector('#detail canvas')?.drawn"
OPEN = f"{ROWS}.filter(row => row.dataset.open === 'true')"


class Lier(FreeModel):
    """A person lies in the lower half of each picture while `there` is true."""

    there = True

    def process(self, frames: Sequence[Lease]) -> list[FrameAnalysis]:
        lie = ActionAnalysis("lie", 0.9, 0, [("lie", 0.9)], "lie", 0.9)
        people = [PersonAnalysis(1, (100.0, 120.0, 200.0, 160.0), 0.9, lie, [])] if self.there else []
        return [FrameAnalysis(people=people, tracks=len(people)) for _ in frames]


async def published(engine: Engine, page: Page) -> None:
    """Publish the ends of 120 older alerts, as if they were of this run."""
    (alert,) = json.loads(await page.evaluate("fetch('/api/v1/alerts?camera=door').then(one => one.text())"))["alerts"]
    del alert["picture"]
    for number in range(120):
        old = {"alert": f"old-{number}", "state": "cleared", "clear_reason": "left", "began_us": number}
        engine.publisher.publish(msgspec.convert(alert | old, Alert))


async def test_alerts_appear_with_their_pictures_and_are_acknowledged_and_cleared(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    model = Lier()
    cameras = [{"id": name, "source": "pattern:320x180@12.5", "zones": {"hall": HALL}} for name in ("door", "gate")]
    async with shown(configured(*cameras, rules_file=str(tmp_path / "rules.yaml")), model) as (engine, page):
        acknowledged: set[str] = set()

        def note(topic: str, message: Message) -> None:
            if isinstance(message, Alert) and message.acknowledged_us is not None:
                acknowledged.add(message.rule)

        engine.publisher.on_message(note)
        await page.wait_for(f"{OPEN}.length === 2 && document.querySelector('#alerts-open').textContent === '2 open'")
        words = await page.evaluate(f"{ROW}.innerText")
        assert all(one in words for one in ("▲ Critical", "lying", "door · #1", "Open for")), words
        assert "● Info" in await page.evaluate(f"{ROWS}[1].innerText"), "the most severe first"
        await page.wait_for(f"{ROW}.querySelector('img[loading=lazy]')?.naturalWidth > 100")
        badge = f"document.querySelector({json.dumps(tile('door', '.badge'))})"
        await page.wait_for(f"{badge}.textContent === '▲ 1' && {badge}.dataset.quiet === 'false'")
        label = f"document.querySelector({json.dumps(tile('door'))}).getAttribute('aria-label')"
        await page.wait_for(f"{label}.includes('1 open alert')")

        await page.click("#alerts .acknowledge")
        await until(lambda: acknowledged == {"lying"})
        await page.wait_for(f"{badge}.dataset.quiet === 'true' && {ROWS}[1].innerText.includes('acknowledged')")
        assert await page.evaluate(f"{ROW}.dataset.severity") == "info", "acknowledged alerts come after others"

        await page.evaluate(f"{ROWS}[1].querySelector('.event').click()")
        await page.wait_for(f"location.hash === '#door' && {LARGE}?.zones?.zones[0].alarmed && {ROWS}.length === 1")
        elsewhere = "document.querySelector('#alerts-elsewhere').textContent"
        assert await page.evaluate(elsewhere) == "1 open alert at other cameras"
        await published(engine, page)
        await page.wait_for(f"{ROWS}.length === 100 && {OPEN}.length === 1 && {ROW}.dataset.open === 'true'")
        await page.screenshot(ARTEFACTS / "alerts.png")

        model.there = False
        await page.wait_for(f"{OPEN}.length === 0 && {LARGE}.zones && !{LARGE}.zones.zones[0].alarmed")
        await page.wait_for(f"{elsewhere} === '' && {ROW}.innerText.includes('Lasted')")
        await page.send("Page.reload")
        await page.wait_for(f"{ROWS}.length === 1 && {ROW}.innerText.includes('acknowledged')")
        assert page.errors == []


async def test_missing_zones_of_rules_are_named_and_the_panel_is_hidden_without_rules(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    async with shown(configured(rules_file=str(rules)), FreeModel()) as (_, page):
        await page.wait_for("document.querySelector('#no-alerts').checkVisibility()")
        warning = "document.querySelector('#rules-warning')"
        await page.wait_for(f"{warning}.checkVisibility() && {warning}.textContent.includes('hall')")
    async with shown(configured(), FreeModel()) as (_, page):
        await page.wait_for("document.querySelector('#health-text').textContent === 'Ready'")
        assert not await page.evaluate("document.querySelector('#alerts-panel').checkVisibility()")
        assert page.errors == []
