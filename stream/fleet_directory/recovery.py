"""What a reader has missed of a camera that moves: the end at its old engine, and the beginning at its new one."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import msgspec

from stream.fleet_directory.engine_link import EngineLink, Requested, Taken
from stream.fleet_directory.merged_queue import MergedQueue
from stream.fleet_directory.merging import Handover, Merging, Moved, Reached
from stream.messaging.gap_filling import Counts, Gap
from stream.messaging.gaps import Hole
from stream.results import KINDS, CameraKind, Place, Received, Stats, topic, topic_of
from stream.subscription.subscription import CameraMessage, Kind

HELD = 256
"""Messages of a camera that are held while it moves. Then its new engine is not read until the handover is over, and of
the old one's messages, those not read yet are requested instead."""

CAMERA_KINDS: tuple[CameraKind, ...] = ("results", "events", "status", "alerts", "clips")
"""Kinds that engines publish about cameras."""


class Recovery:
    """Requests messages of these kinds from the engines, decodes them, and puts them into the queue.

    With `tell_gaps`, gaps are put into it too.
    """

    def __init__(
        self,
        merging: Merging[EngineLink],
        queue: MergedQueue[Received | Gap | Moved],
        counts: Counts,
        kinds: tuple[Kind, ...],
        tell_gaps: bool,
        decode: Callable[[bytes], Received],
    ) -> None:
        self._merging = merging
        self._queue = queue
        self._counts = counts
        self._kinds = cast("tuple[CameraKind, ...]", kinds)
        self._tell_gaps = tell_gaps
        self._decode = decode

    async def rest_of(self, handover: Handover[EngineLink]) -> int | None:
        """Hand out what the old engine has published since the last message handed out. Return how many are missing.

        None if that is not known.
        """
        camera, old = handover.camera, handover.old
        await old.drain(lambda: self._merging.waiting(camera) >= HELD)
        # What has arrived of it but was not handed out yet is discarded from now on, and requested.
        self._merging.complete(camera)
        missing: int | None = 0
        for kind in self._kinds:
            reached = self._merging.reached(camera, kind)
            if reached is None:
                continue
            lost = await self._rest(handover, kind, reached)
            missing = None if lost is None or missing is None else missing + lost
        return missing

    async def _rest(self, handover: Handover[EngineLink], kind: CameraKind, reached: Reached) -> int | None:
        """Hand out the rest of a kind, also of later epochs. Return how many messages are missing; None: not known."""
        missing, name = 0, topic(kind, handover.camera)
        run, epoch, next_seq = reached
        while True:
            hole = Hole(name, run, epoch, next_seq, None)
            requested = await self._requested(handover.old, hole, handover.old_generation)
            if requested is None:
                return None
            missing += requested.lost
            self._merging.rest_asked(handover.camera, kind, Reached(run, epoch, next_seq + requested.missed))
            later = min((one for one in requested.later_epochs if one > epoch), default=None)
            if later is None or requested.went_on:
                return missing
            epoch, next_seq = later, 0

    async def beginning_of(self, handover: Handover[EngineLink]) -> None:
        """Hand out what the new engine has published before the first message received, in the same epoch.

        Earlier epochs of the new generation are not requested: it is not known in which one it began.
        """
        names = {kind: topic(kind, handover.camera) for kind in self._kinds}
        names.pop("status", None)  # those before `live` are handed out as they arrive
        for _, message in self._merging.held(handover.camera):
            if message.generation != handover.new_generation:
                continue
            name = names.pop(KINDS[type(message)], None)
            if name is not None and (first := self._merging.first_missing(handover, message)) < message.seq:
                hole = Hole(name, message.run, message.epoch, first, message.seq)
                await self._requested(handover.new, hole, handover.new_generation)

    async def before(self, link: EngineLink, message: CameraMessage) -> None:
        """Hand out what an engine has published before the first message of this kind, unless a handover begins."""
        kind = KINDS[type(message)]
        began = self._merging.reached(message.camera, kind)
        first = 0 if began is None else began.next_seq
        hole = Hole(topic(kind, message.camera), message.run, message.epoch, first, message.seq)
        await self._requested(link, hole, message.generation or 0, unless_complete=True)
        self._merging.beginning_asked(message)

    async def _requested(
        self, link: EngineLink, hole: Hole, generation: int, *, unless_complete: bool = False
    ) -> Requested | None:
        """Hand out the messages of a hole, and count it. Return None if the engine did not say what there was.

        `unless_complete`: no more of them from when a handover requests the rest, which includes them.
        """

        async def take(body: bytes) -> Taken:
            try:
                message = self._decode(body)
            except (msgspec.MsgspecError, ValueError):
                self._counts.undecodable += 1
                return "unusable"
            if topic_of(message) != hole.topic:
                return "other"
            if message.seq < hole.first_seq or (hole.end_seq is not None and message.seq >= hole.end_seq):
                return "other"
            if isinstance(message, Stats | Place) or message.generation is None or message.generation < generation:
                return "other"
            if message.generation > generation:
                return "later"
            await self._queue.room()
            if unless_complete and not self._merging.admits(message):
                return "later"
            if not self._merging.recovered(message):
                return "other"
            self._queue.put(message)
            return "missing"

        requested = await link.request(hole, take)
        if requested.missed:
            self._counts.gaps += 1
            self._counts.missed += requested.missed
            self._counts.replayed += requested.replayed
            if self._tell_gaps:
                gap = Gap(hole.topic, hole.run, hole.epoch, hole.first_seq, requested.missed, requested.replayed)
                self._queue.put(gap)
        return requested if requested.complete else None
