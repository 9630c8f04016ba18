"""The history of published messages: sequence numbers, and the latest bodies for replay.

It has the next sequence number of every (topic, epoch) and the bodies of the latest messages, limited by messages per
topic and by total bytes. One thread appends, others may read; the lock is held for microseconds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass, field

EPOCHS_NUMBERED = 32
"""Epochs of a topic whose numbering is kept; a limit for cameras that reconnect for years."""
TOPICS_NUMBERED = 4096
"""Topics whose numbering is kept by default, so that a camera that is removed and added again continues it."""
BYTES_PER_MESSAGE = 320
"""Bookkeeping per message beside its body (key, links, object headers; measured with sys.getsizeof on CPython 3.11), so
that the limit also holds for many small messages."""


class StaleEpochError(ValueError):
    """A message belongs to an epoch so old that its numbering has been dropped."""


@dataclass(slots=True)
class _Numbers:
    """Numbers of one (topic, epoch): messages from `oldest` to `next`, exclusive, are held."""

    oldest: int = 0
    next: int = 0


@dataclass(slots=True)
class _Topic:
    epochs: dict[int, _Numbers] = field(default_factory=dict[int, _Numbers])
    first_epoch: int = 0
    """The numbering of epochs below this has been dropped."""
    held: deque[tuple[int, int]] = field(default_factory=deque[tuple[int, int]])
    """(epoch, seq) of the held messages, oldest first."""


@dataclass(frozen=True, slots=True)
class HeldRange:
    """The messages held of a (topic, epoch): from `oldest_seq` to `next_seq`, exclusive.

    `forgotten` is true for an epoch so old that its numbering has been dropped.
    """

    oldest_seq: int
    next_seq: int
    forgotten: bool = False


class History:
    """Numbers messages and keeps the latest `messages_per_topic` of each topic, in at most `total_bytes`."""

    def __init__(self, messages_per_topic: int, total_bytes: int) -> None:
        self._messages_per_topic = messages_per_topic
        self._total_bytes = total_bytes
        self.topics_numbered = TOPICS_NUMBERED
        """Topics whose numbering is kept; that of those least lately published is forgotten."""
        self._bytes = 0
        self.evicted = 0
        """Messages dropped to make room."""
        self._topics: OrderedDict[str, _Topic] = OrderedDict()  # least lately published first
        self._bodies: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()  # oldest first, over all topics
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Messages held."""
        return len(self._bodies)

    @property
    def bytes_held(self) -> int:
        """Bytes held, including bookkeeping."""
        return self._bytes

    def next_seq(self, topic: str, epoch: int) -> int:
        """Return the number of the next message of this topic and epoch. For the appending thread only.

        Raises `StaleEpochError` if more than `EPOCHS_NUMBERED` epochs of the topic have started since.
        """
        entry = self._topics.get(topic)
        if entry is None:
            return 0
        numbers = entry.epochs.get(epoch)
        if numbers is not None:
            return numbers.next
        if epoch < entry.first_epoch:
            raise StaleEpochError(f"{topic}: epoch {epoch} is too old (the topic is at epoch {max(entry.epochs)})")
        return 0

    def append(self, topic: str, epoch: int, body: bytes) -> None:
        """Keep `body` as message number `next_seq(topic, epoch)`, and drop the oldest messages above the limits.

        A message larger than the whole history is numbered but not kept.
        """
        with self._lock:
            entry = self._topics.get(topic)
            if entry is None:
                entry = self._begin_topic(topic)
            else:
                self._topics.move_to_end(topic)
            numbers = entry.epochs.get(epoch)
            if numbers is None:
                self.next_seq(topic, epoch)  # raises an error if the epoch is too old
                numbers = self._begin_epoch(topic, entry, epoch)
            seq = numbers.next
            numbers.next = seq + 1
            entry.held.append((epoch, seq))
            self._bodies[topic, epoch, seq] = body
            self._bytes += len(body) + BYTES_PER_MESSAGE
            if len(entry.held) > self._messages_per_topic:
                self._drop_oldest_of(topic)
            while self._bytes > self._total_bytes:
                self._drop_oldest_of(next(iter(self._bodies))[0])

    def span(self, topic: str, epoch: int) -> HeldRange:
        """Return the messages held of this topic and epoch; 0, 0 if none was published."""
        with self._lock:
            entry = self._topics.get(topic)
            if entry is None:
                return HeldRange(0, 0)
            numbers = entry.epochs.get(epoch)
            if numbers is None:
                return HeldRange(0, 0, forgotten=epoch < entry.first_epoch)
            return HeldRange(numbers.oldest, numbers.next)

    def later_epochs(self, topic: str, epoch: int, most: int) -> list[int]:
        """Return later epochs of this topic of which messages are held, ascending, at most the first `most`."""
        with self._lock:
            entry = self._topics.get(topic)
            numbered = entry.epochs.items() if entry is not None else ()
            return sorted(one for one, held in numbered if one > epoch and held.oldest < held.next)[:most]

    def read(self, topic: str, epoch: int, from_seq: int, limit: int) -> list[tuple[int, bytes]]:
        """Return (seq, body) of up to `limit` messages in order, from `from_seq` or the oldest held after it."""
        with self._lock:
            entry = self._topics.get(topic)
            numbers = entry.epochs.get(epoch) if entry else None
            if numbers is None:
                return []
            first = max(from_seq, numbers.oldest)
            last = min(numbers.next, first + limit)
            return [(seq, self._bodies[topic, epoch, seq]) for seq in range(first, last)]

    def _begin_topic(self, topic: str) -> _Topic:
        entry = self._topics[topic] = _Topic()
        if len(self._topics) > self.topics_numbered:
            unused = next(iter(self._topics))
            while self._topics[unused].held:
                self._drop_oldest_of(unused)
            del self._topics[unused]
        return entry

    def _begin_epoch(self, topic: str, entry: _Topic, epoch: int) -> _Numbers:
        numbers = entry.epochs[epoch] = _Numbers()
        if len(entry.epochs) > EPOCHS_NUMBERED:
            over = min(entry.epochs)
            while entry.epochs[over].oldest < entry.epochs[over].next:
                self._drop_oldest_of(topic)
            del entry.epochs[over]
            entry.first_epoch = over + 1
        return numbers

    def _drop_oldest_of(self, topic: str) -> None:
        entry = self._topics[topic]
        epoch, seq = entry.held.popleft()
        self._bytes -= len(self._bodies.pop((topic, epoch, seq))) + BYTES_PER_MESSAGE
        entry.epochs[epoch].oldest = seq + 1
        self.evicted += 1
