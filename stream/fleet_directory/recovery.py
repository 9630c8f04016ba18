"""What a reader has missed of a camera that moves: the end at its old engine, and the beginning at its new one."""

from __future__ import annotations

from typing import Literal, cast

import msgspec

from stream.fleet_directory.engine_link import EngineLink
from stream.fleet_directory.merged_queue import MergedQueue
from stream.fleet_directory.merging import Handover, Merging, Moved
from stream.messaging.gap_filling import Counts, Gap
from stream.messaging.gaps import Filling, Hole
from stream.results import Alert, ClipReady, Event, Frame, Message, Place, Stats, Status, decode, topic
from stream.subscription.generations import CameraMessage
from stream.subscription.subscription import Kind

HELD = 256
"""Messages of a camera that are held while it moves. Then its new engine is not read until the handover is over, and of
the old one's messages, those not read yet are requested instead."""

CameraKind = Literal["results", "events", "status", "alerts", "clips"]
_KINDS_OF: dict[type[CameraMessage], CameraKind] = {
    Frame: "results",
    Event: "events",
    Status: "status",
    Alert: "alerts",
    ClipReady: "clips",
}


class Recovery:
    """Requests messages of these kinds from the engines, and puts them into the queue.

    With `tell_gaps`, gaps are put into it too.
    """

    def __init__(
        self,
        merging: Merging[EngineLink],
        queue: MergedQueue[Message | Gap | Moved],
        counts: Counts,
        kinds: tuple[Kind, ...],
        tell_gaps: bool,
    ) -> None:
        self._merging = merging
        self._queue = queue
        self._counts = counts
        self._kinds = kinds
        self._tell_gaps = tell_gaps

    async def rest_of(self, handover: Handover[EngineLink]) -> int | None:
        """Hand out what the old engine has published since the last message received. Return how many are missing.

        None if that is not known.
        """
        camera, old = handover.camera, handover.old
        if old is handover.new:
            return None  # in the order of their arrival
        drained = await old.drain(lambda: self._merging.waiting(camera) >= HELD)
        self._merging.complete(camera)
        missing = 0
        for kind in self._kinds:
            name = topic(cast("CameraKind", kind), camera)
            reached = old.subscription.followed(name)
            if reached is None:
                continue
            hole = Hole(name, reached.run, reached.epoch, reached.next_seq, None)
            filling = await self._filled(old, hole, handover.old_generation)
            if filling is None:
                return None
            missing += filling.missed - filling.replayed
        return missing if drained else None

    async def beginning_of(self, handover: Handover[EngineLink]) -> None:
        """Hand out what the new engine has published before the first message received."""
        begun: set[str] = {"status"}  # those before `live` are handed out as they arrive
        for message in self._merging.held(handover.camera):
            kind = _KINDS_OF[type(message)]
            if message.generation != handover.new_generation or kind in begun or kind not in self._kinds:
                continue
            begun.add(kind)
            if message.seq > 0:
                hole = Hole(topic(kind, message.camera), message.run, message.epoch, 0, message.seq)
                await self._filled(handover.new, hole, handover.new_generation)

    async def _filled(self, link: EngineLink, hole: Hole, generation: int) -> Filling | None:
        """Hand out the messages of a hole, and count it. Return None if the engine did not answer."""

        others = 0

        async def take(body: bytes) -> bool:
            try:
                message = decode(body)
            except (msgspec.MsgspecError, ValueError):
                self._counts.undecodable += 1
                return False
            if message.seq < hole.first_seq or (hole.end_seq is not None and message.seq >= hole.end_seq):
                return False
            if isinstance(message, Stats | Place) or message.generation != generation:
                nonlocal others
                others += 1
                return False
            await self._queue.room()
            self._queue.put(message)
            return True

        filling, answered = await link.fill(hole, take)
        filling.missed -= others
        if filling.missed:
            self._counts.gaps += 1
            self._counts.missed += filling.missed
            self._counts.replayed += filling.replayed
            if self._tell_gaps:
                gap = Gap(hole.topic, hole.run, hole.epoch, hole.first_seq, filling.missed, filling.replayed)
                self._queue.put(gap)
        return filling if answered else None
