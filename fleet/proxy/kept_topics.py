"""Which last messages of cameras a proxy keeps for new subscribers, so that they get none of an earlier placement."""

from __future__ import annotations

from collections import OrderedDict

from stream.results import ClipReadyHead, Head, PlaceHead, StatsHead, StatusHead
from stream.subscription.subscription import begins

CAMERAS_ENDED = 16_384
"""Cameras that no engine is to read; the one that ended first is forgotten first."""
_NONE: frozenset[bytes] = frozenset()


class KeptTopics:
    """The topics of each camera with a last message, and its generation. Without sockets.

    Statistics and clips are not kept: their engine may be gone, and their clip deleted, without a word about it.
    """

    def __init__(self) -> None:
        self._cameras: dict[str, dict[bytes, int]] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Cameras with kept messages."""
        return len(self._cameras)

    def passed(self, head: Head, topic: bytes) -> tuple[bool, frozenset[bytes]]:
        """Take a message that is passed on.

        Return whether it is to be kept as its topic's last one, and the topics whose last ones are to be dropped.
        """
        if isinstance(head, (StatsHead, ClipReadyHead)):
            return False, _NONE
        if isinstance(head, PlaceHead):
            return self._placed(head, topic)
        if head.camera in self._ended:
            return False, _NONE
        generation = head.generation or 0
        if isinstance(head, StatusHead) and head.state == "removed":
            return False, self.moved(head.camera, generation + 1) | {topic}  # as its engine, keep nothing of it
        topics = self._cameras.setdefault(head.camera, {})
        if topics.get(topic) == generation:
            return True, _NONE
        topics[topic] = generation
        if not begins(head):
            return True, _NONE  # the earlier placement goes on
        return True, self.moved(head.camera, generation)

    def moved(self, camera: str, generation: int) -> frozenset[bytes]:
        """Take the first generation that counts from now on. Return the topics whose last ones are to be dropped.

        What shows a move may be of a kind that is not passed on, or may not be handed out.
        """
        topics = self._cameras.get(camera, {})
        lower = frozenset(name for name, other in topics.items() if other < generation)
        for name in lower:
            del topics[name]
        if not topics:
            self._cameras.pop(camera, None)
        return lower

    def _placed(self, place: PlaceHead, topic: bytes) -> tuple[bool, frozenset[bytes]]:
        if place.state not in ("removed", "disabled"):
            self._ended.pop(place.camera, None)
            return True, _NONE
        self._ended[place.camera] = None
        if len(self._ended) > CAMERAS_ENDED:
            self._ended.popitem(last=False)
        dropped = frozenset(self._cameras.pop(place.camera, ()))
        return (False, dropped | {topic}) if place.state == "removed" else (True, dropped)
