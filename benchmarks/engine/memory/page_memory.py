"""What an open page holds: the objects of its scripts and its document, after garbage collection."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.browser.chromium import Page


@dataclass(frozen=True, slots=True)
class PageMemory:
    """At `seconds`: bytes of JavaScript objects, and numbers of nodes of the document and of event listeners."""

    seconds: float
    heap: int
    nodes: int
    listeners: int


async def held_by(page: Page, seconds: float) -> PageMemory:
    """Collect the page's garbage, and return what is left."""
    await page.send("HeapProfiler.collectGarbage")
    heap = (await page.send("Runtime.getHeapUsage"))["usedSize"]
    counters = await page.send("Memory.getDOMCounters")
    return PageMemory(round(seconds, 1), int(heap), counters["nodes"], counters["jsEventListeners"])
