"""A chaos run: the steps of the plan, one after another, and the last checks.

After each step, the runner waits until all cameras are live and their results arrive.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from support.chaos.faults import End, begin
from support.chaos.journal import Journal
from support.chaos.judges.kept_archive import compare
from support.chaos.judges.memory import slope_of
from support.chaos.pacing import now, pause, within
from support.chaos.plan import RESTARTS, Step, plan
from support.chaos.stand import Stand
from support.chaos.watch import Watch

FAULTLESS_S = 5.0
"""Time for the first results, before the first fault."""


async def run(
    journal: Journal, folder: Path, *, seconds: float, seed: int, cameras: int, fps: int, kinds: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Run it, and return the summary."""
    journal.write("begins", seed=seed, seconds=seconds, cameras=cameras, fps=fps, kinds=list(kinds))
    async with Stand(folder, journal, cameras, fps, seed) as stand:
        watch = Watch(stand)
        watching = asyncio.create_task(watch.run())
        begun = now()
        await pause(FAULTLESS_S)
        for step in plan(seed, kinds=kinds):
            past_half = now() - begun > seconds / 2
            if now() - begun > seconds:
                break
            if past_half and step.faults[0].kind in RESTARTS:
                continue
            await _take(stand, step)
            if watching.done():
                break
        watching.cancel()
        ended = (await asyncio.gather(watching, return_exceptions=True))[0]
        if not isinstance(ended, asyncio.CancelledError):
            journal.violation("harness", error=f"{type(ended).__name__}: {ended}")
        memory = _memory(journal, watch)
        await _finish(stand, watch)
        archived = await asyncio.to_thread(compare, folder / "archive", stand.ledger, journal.violation)
        return _summary(journal, seed, now() - begun, stand, watch, archived, memory)


async def _take(stand: Stand, step: Step) -> None:
    """Take one step: its faults begin together and end when they are due; then all cameras must become live."""
    journal = stand.journal
    await pause(step.pause_s)
    under_way: list[tuple[float, str, str, End]] = []
    ends_s = now()
    for fault in step.faults:
        target = fault.kind.split()[0]
        details = {"step": step.number, "hold_s": fault.hold_s, "amount": fault.amount}
        journal.begin(fault.kind, f"{target} {fault.target}", **details)

        target, end = await begin(stand, fault)
        journal.write("target", fault=fault.kind, target=target)
        under_way.append((now() + fault.hold_s, fault.kind, target, end))
    for until_s, kind, target, end in sorted(under_way, key=lambda one: one[0]):
        await pause(max(0.0, until_s - now()))
        ends_s = now()
        ends_s = await end() or ends_s
        journal.end(kind, target)
    ended_s = now()
    took = await within(stand.patience_s, lambda: stand.sends_again(ended_s))
    for _, kind, target, _ in under_way:
        if took is None:
            states = {name: state.state for name, state in (await stand.states()).items()}
            journal.violation("live again", error="not all is well", fault=kind, target=target, states=states)
        else:
            journal.recovered(kind, target, now() - ends_s)


def _memory(journal: Journal, watch: Watch) -> dict[str, Any]:
    """Judge the growth of the longest-lived process of the engine."""
    samples = max(watch.memory.values(), key=len, default=[])
    slope = slope_of(samples)
    if slope is None:
        return {"judged": False, "samples": len(samples)}
    found = {
        "judged": slope.judged,
        "mib_per_hour": round(slope.mib_per_hour, 3),
        "interval": [round(slope.low, 3), round(slope.high, 3)],
        "seconds": round(slope.seconds),
        "samples": slope.samples,
    }
    if slope.judged and slope.grows:
        journal.violation("memory", error="the engine's memory grows", **found)
    return found


async def _finish(stand: Stand, watch: Watch) -> None:
    """Remove all cameras, wait for the last messages, and stop every program in order."""
    journal = stand.journal
    journal.last_fault = journal.write("end", ending="all cameras fall silent, and are removed")
    for camera in (*stand.cameras, stand.spare):
        camera.program.suspend()

    async def quiet() -> bool:
        await watch.round()
        return watch.scrapes.quiet

    if await within(stand.patience_s, quiet) is None:
        journal.violation("frames", error="the counts of silent cameras do not come to rest")
    for camera in (*stand.cameras, stand.spare):
        camera.program.resume()
    for camera in (*stand.cameras, stand.spare):
        camera.wanted = False
        await within(stand.patience_s, lambda camera=camera: stand.delete(camera))
    ledger = stand.ledger
    if await within(stand.patience_s, lambda: not ledger.events and not ledger.alerts) is None:
        journal.violation("ends", error="open at the end", actions=list(ledger.events), alerts=list(ledger.alerts))
    await _check_notices(stand)
    await watch.round()
    for program in (*stand.subscribers, stand.archive, stand.notify, stand.engine):
        took = await program.terminate()
        journal.write("stopped", program=program.name, seconds=None if took is None else round(took, 2))
        expected = -15 if program in stand.subscribers else 143
        if program.ended != expected:
            journal.violation("programs", error=f"{program.name} ended with {program.ended}")
    await watch.round()
    stand.numbering.finish()


async def _check_notices(stand: Stand) -> None:
    """Check that each alert was delivered, and none twice without a mark."""
    webhook, began = stand.webhook, stand.ledger.alerts_began

    def due() -> set[str]:
        told = {post.id.partition(":")[0] for post in webhook.taken}
        return {
            alert
            for alert, at_s in began.items()
            if alert not in told and not any(0 <= killed - at_s < 5 for killed in stand.killed_s)
        }

    if await within(stand.patience_s, lambda: not due()) is None:
        missing = sorted(due())
        stand.journal.violation("notify", error="alerts were not delivered", number=len(missing), alerts=missing[:10])
    first: set[str] = set()
    for post in webhook.taken:
        if post.attempt == 1 and post.id in first:
            stand.journal.violation("notify", error="a message came twice without a mark", id=post.id)
        first.add(post.id)


def _summary(
    journal: Journal, seed: int, took_s: float, stand: Stand, watch: Watch, archived: dict[str, int], memory: Any
) -> dict[str, Any]:
    summary = {
        "seed": seed,
        "seconds": round(took_s),
        "faults": dict(sorted(journal.faults.items())),
        "violations": dict(journal.violations),
        "slowest recovery, s": {kind: max(found) for kind, found in sorted(journal.recoveries.items())},
        "messages": stand.numbering.messages,
        "lost": stand.numbering.lost,
        "subscribers": watch.reported,
        "runs": len(stand.ledger.runs),
        "alerts": len(stand.ledger.alerts_began),
        "notices": len(stand.webhook.taken),
        "clips": dict(watch.clips),
        "viewers": dict(stand.viewers.counts),
        "scrapes": watch.scrapes.pages,
        "exact scrapes": watch.scrapes.exact,
        "archive": archived,
        "memory": memory,
    }
    journal.write("summary", **summary)
    return summary
