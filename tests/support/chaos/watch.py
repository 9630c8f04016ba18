"""The invariants that are checked all the while: a round every two seconds, beside the faults."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter

from support.chaos.judges.played_clips import trouble_of
from support.chaos.judges.scrapes import Scrapes
from support.chaos.pacing import now, pause
from support.chaos.stand import Stand

ROUND_S = 2.0
MEMORY_EVERY = 3
"""Rounds."""
BUG = re.compile(r"Traceback \(most recent call last\)|\binternal error\b|unhandled exception|never retrieved", re.I)
LINES_AFTER = 30


class Watch:
    """`await watch.round()` again and again, by `run`."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.scrapes = Scrapes(stand.journal.violation)
        self.memory: dict[int, list[tuple[float, int]]] = {}
        """By process of the engine."""
        self.clips: Counter[str] = Counter()
        self.reported: dict[str, dict[str, int]] = {}
        """The newest counts of each subscriber."""
        self._clips_seen = 0
        self._read_up_to: dict[str, int] = {}
        self._rounds = 0
        self._engine = 0

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.round()
            await pause(ROUND_S)

    async def round(self) -> None:
        """Check once."""
        self._rounds += 1
        journal, stand = self.stand.journal, self.stand
        for program in stand.programs:
            if program.wanted and program.ended is not None:
                journal.violation("programs", error=f"{program.name} ended by itself", code=program.ended)
                program.start()
            self._read_log(program.name)
        for camera in (*stand.cameras, stand.spare):
            if camera.program.wanted and camera.program.ended is not None:
                journal.write("a camera's server ended", camera=camera.name, code=camera.program.ended)
                camera.program.start()
        engine = stand.engine
        if self._engine != (engine.pid if engine.ended is None else 0):
            self._engine = engine.pid if engine.ended is None else 0
            self.scrapes.forget()
        if engine.ended is None and not engine.suspended:
            status, page = await stand.ask("GET", "/metrics")
            if status == 200:
                self.scrapes.take(page)
            if self._rounds % MEMORY_EVERY == 0 and engine.ended is None:
                size = engine.resident()
                self.memory.setdefault(engine.pid, []).append((now(), size))
                journal.write("memory", mib=round(size / (1 << 20), 1), descriptors=engine.descriptors())
        await self._check_clips()
        for kind, one in stand.ledger.overdue(now(), stand.patience_s):
            journal.violation("ends", error=f"an {kind} did not end", id=one.id, camera=one.camera, epoch=one.epoch)

    async def _check_clips(self) -> None:
        ready = self.stand.ledger.clips[self._clips_seen :]
        self._clips_seen += len(ready)
        for clip in ready:
            trouble = await asyncio.to_thread(trouble_of, clip, self.stand.disk.folder / "clips")
            self.clips["gone" if trouble == "gone" else "bad" if trouble else "played"] += 1
            if trouble not in (None, "gone"):
                self.stand.journal.violation("clips", error=trouble, clip=clip.clip, ended=clip.ended)

    def _read_log(self, name: str) -> None:
        """Look for bugs that a program reports in its log."""
        path = self.stand.folder / f"{name}.log"
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read_up_to.get(name, 0))
            new = file.read()
        whole = new.rfind(b"\n") + 1
        self._read_up_to[name] = self._read_up_to.get(name, 0) + whole
        lines = new[:whole].decode(errors="replace").splitlines()
        for number, line in enumerate(lines):
            if name.startswith("subscriber") and line.startswith("{"):
                told = json.loads(line)
                if "violation" in told:
                    self.stand.journal.violation(told.pop("violation"), subscriber=name, **told)
                else:
                    self.reported[name] = told["counts"]
            elif BUG.search(line):
                around = lines[max(0, number - 1) : number + LINES_AFTER]
                self.stand.journal.violation("logs", program=name, lines=around)
