"""The live page of a user whose token is for one of two cameras, and what happens when the token is removed."""

from __future__ import annotations

import json
from pathlib import Path

from support.engines.shared_engine import HIDDEN, SEEN, shared_engine
from support.listed_tokens import listed, secret_of, write_tokens
from support.waiting import until
from support.webrtc.chromium import Browser
from support.webrtc.live_page import tile

ROW = "document.querySelector('#alerts > li')"


async def test_the_page_shows_only_the_tokens_cameras_and_asks_again_when_it_is_removed(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared, Browser() as browser:
        page = await browser.open(shared.client.address + "/")
        await page.wait_for("document.querySelector('#login-dialog').open")
        await page.write("wrong")
        await page.press("Enter")
        await page.wait_for("document.querySelector('#login-error').textContent.includes('Unknown token')")
        await page.write(secret_of("reviewer"))
        await page.press("Enter")
        await page.wait_for(f"document.querySelector({json.dumps(tile(SEEN, 'canvas'))})?.drawn")
        assert await page.evaluate("document.querySelectorAll('.tile').length") == 1
        assert await page.evaluate("document.querySelector('#add').hidden")
        stored = await page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
        assert secret_of("reviewer") not in stored and "session" not in stored

        await page.wait_for(f"Boolean({ROW}?.querySelector('button.acknowledge'))")
        await page.evaluate(f"{ROW}.querySelector('button.acknowledge').click()")
        book = shared.engine.alerts
        await until(lambda: any(one.acknowledged_us for one in book.entries(SEEN, only_open=True, limit=9)))
        assert HIDDEN not in await page.evaluate("document.documentElement.outerHTML")
        assert [error for error in page.errors if "status of 401" not in error] == []

        write_tokens(shared.tokens, listed("admin", "control"))
        await page.wait_for("document.querySelector('#login-dialog').open")
