"""The engines that renew their leases: who answers to which name, and what each reported last. No input or output."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from fleet.settings import NAME
from stream.membership.protocol import PROTOCOL, CameraReport, EngineReport, Renewal
from stream.results import EngineAddress
from stream.settings.values import CAMERA_ID

MOST_LOST = 256
"""Lost engines that are still listed."""
GENERATIONS_AHEAD = 2**32
"""How far a generation may be above what the coordinator can account for: 49 days of a clock that was wrong. Much
higher ones would leave no room above them."""
LONGEST_ADDRESS = 256
"""Characters of an address."""


STARTS_WITHIN_S = 900.0
"""After this time, an engine that was started and has not joined is not told of any more, nor one that has ended."""

LossCause = Literal["silent", "ended", "stopped", "restarted"]
"""Why an engine is lost. `stopped`: it had said that it would end."""

LONGEST_REASON = 500
"""Characters of what an engine tells of a camera."""


class RefusedRenewalError(Exception):
    """The coordinator cannot have this engine. The message says why, as a sentence."""


@dataclass(slots=True)
class Session:
    """An engine that holds its lease, or did until a moment ago."""

    identity: bytes
    address: EngineAddress
    report: EngineReport
    heard_s: float
    asked_ns: int = 0
    version: int = 0
    """Of what it is to have, as it has taken it over."""
    cameras: Mapping[str, CameraReport] = field(default_factory=dict[str, CameraReport])
    connected: bool = True
    """Whether its connection lives, as far as is known."""
    stopping: bool = False
    """Whether it has said that it will end."""
    began: bool = False
    """Whether it reported its cameras since its lease began, and so may be told which it is to have."""
    adoptable: set[str] = field(default_factory=set[str])
    """Cameras whose settings are to be taken from it, because a store that was lost had them."""
    lacking: set[str] = field(default_factory=set[str])
    """Those of them that its last complete answer lacked, for example because a part of it was lost."""

    def answered(self, cameras: Set[str], *, more: bool) -> set[str]:
        """Return which of `adoptable` it has settings of, or has certainly none, and take them out of it.

        `cameras`: those whose settings it sends; `more`: its next messages have further ones. It has certainly none of
        a camera if two complete answers lack it.
        """
        missing = set[str]() if more else self.adoptable - cameras
        settled = (self.adoptable & cameras) | (missing & self.lacking)
        if not more:
            self.lacking = missing
        self.adoptable -= settled
        return settled


@dataclass(frozen=True, slots=True)
class LostEngine:
    """An engine whose lease or process has ended."""

    address: EngineAddress
    reason: str
    at_us: int
    cause: LossCause


@dataclass(frozen=True, slots=True)
class StartedEngine:
    """An engine whose process runs, as its agent has told, and which has not joined yet. `at_s`: when it was told."""

    engine: str
    node: str
    run: str
    at_s: float


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run of an engine ended, as its agent tells."""

    node: str
    how: str
    error: str
    """The last error in its log; empty if there is none."""
    log: str
    """The path of its log."""


@dataclass(frozen=True, slots=True)
class EndedEngine:
    """An engine that has ended, other than in order, since it joined last. `since_us`, `last_s`: first and last end."""

    engine: str
    count: int
    since_us: int
    last_s: float
    end: RunEnd


class Engines:
    """The engines by name. `lease_s`: how long a name belongs to an engine that is silent."""

    def __init__(self, lease_s: float, most: int) -> None:
        self._lease_s = lease_s
        self._most = most
        self.sessions: dict[str, Session] = {}
        self.lost: OrderedDict[str, LostEngine] = OrderedDict()
        self._started: OrderedDict[str, StartedEngine] = OrderedDict()
        self._ended: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Runs of engines whose process has ended: a late renewal of theirs is not a sign of life."""
        self._failing: OrderedDict[str, EndedEngine] = OrderedDict()
        self.losses: Counter[LossCause] = Counter()
        """Engines that were lost, by cause."""

    def renewed(
        self,
        identity: bytes,
        renewal: Renewal,
        now_s: float,
        at_us: int,
        generation_of: Callable[[str], int] = lambda _: 0,
    ) -> Session:
        """Note a renewal, and return its engine's session. Raises `RefusedRenewalError`.

        `generation_of` returns the highest generation of a camera that is known, at least the one that a new camera
        would get.
        """
        address = renewal.address
        name = address.engine
        self._started.pop(name, None)  # also if it is refused now, which it logs
        _check(renewal)
        _check_generations(renewal, at_us // 1000, generation_of)
        if (name, address.run) in self._ended:
            raise RefusedRenewalError(f"the process of this run of {name} has ended")
        session = self.sessions.get(name)
        if session is not None and session.address.run != address.run:
            if now_s - session.heard_s < self._lease_s and session.began:
                raise RefusedRenewalError(
                    f"another engine with the name {name} runs on {session.address.node}: set fleet.engine to another "
                    f"name, or wait until its lease is over"
                )
            self._note_lost(session, "it was started again", at_us, "restarted")
            session = None
        if session is not None and session.identity != identity:
            if session.connected and now_s - session.heard_s < self._lease_s:
                raise RefusedRenewalError(f"the engine {name} renews its lease on another connection")
            session.connected = True
        if session is None:
            if len(self.sessions) >= self._most and name not in self.sessions:
                raise RefusedRenewalError(f"there are {self._most} engines, the limit of coordinator.max_engines")
            session = self.sessions[name] = Session(identity, address, renewal.report, now_s)
            self._failing.pop(name, None)
        session.identity, session.address, session.report = identity, address, renewal.report
        session.stopping = session.stopping or renewal.stopping
        session.heard_s, session.asked_ns, session.version = now_s, renewal.asked_ns, renewal.version
        if renewal.cameras is not None:
            session.cameras = renewal.cameras
        return session

    def started(self, engine: str, node: str, run: str, now_s: float) -> None:
        """Note that the process of a run was started, unless it has joined or ended meanwhile."""
        session = self.sessions.get(engine)
        if (engine, run) in self._ended or (session is not None and session.address.run == run):
            return
        self._started[engine] = StartedEngine(engine, node, run, now_s)
        self._started.move_to_end(engine)
        if len(self._started) > self._most:
            self._started.popitem(last=False)

    def starting(self, now_s: float) -> list[StartedEngine]:
        """Return the engines that were started lately and have not joined, the earliest first."""
        return [one for one in self._started.values() if now_s - one.at_s < STARTS_WITHIN_S]

    def ended_since_joined(self, now_s: float) -> list[EndedEngine]:
        """Return the engines that have ended lately, and have not joined since."""
        return [one for one in self._failing.values() if now_s - one.last_s < STARTS_WITHIN_S]

    def ended(self, engine: str, run: str, end: RunEnd | None = None, now_s: float = 0.0, at_us: int = 0) -> None:
        """Note that the process of a run has ended. `end`: None if how is not known."""
        if end is not None and (engine, run) not in self._ended and not self._was_stopping(engine, run):
            before = self._failing.pop(engine, None)
            if before is not None and now_s - before.last_s < STARTS_WITHIN_S:
                self._failing[engine] = EndedEngine(engine, before.count + 1, before.since_us, now_s, end)
            else:
                self._failing[engine] = EndedEngine(engine, 1, at_us, now_s, end)
            if len(self._failing) > self._most:
                self._failing.popitem(last=False)
        started = self._started.get(engine)
        if started is not None and started.run == run:
            del self._started[engine]
        self._ended[engine, run] = None
        if len(self._ended) > MOST_LOST:
            self._ended.popitem(last=False)

    def lose(self, engine: str, run: str, reason: str, at_us: int) -> None:
        """Note that an engine's lease is over. Its name is free again."""
        session = self.sessions.get(engine)
        if session is not None and session.address.run == run:
            del self.sessions[engine]
            self._note_lost(session, reason, at_us, "ended" if (engine, run) in self._ended else "silent")

    def forget_silent(self, now_s: float) -> None:
        """Forget the engines that have not reported their cameras, and are silent."""
        for name, session in list(self.sessions.items()):
            if not session.began and now_s - session.heard_s > self._lease_s:
                del self.sessions[name]

    def address_of(self, engine: str | None, run: str | None = None) -> EngineAddress | None:
        """Return where an engine is, or was until it was lost; None if that is not known.

        `run`: the run that has the camera now, so that this is not where the camera was.
        """
        if engine is None:
            return None
        for found in (self.sessions.get(engine), self.lost.get(engine)):
            if found is not None and found.address.run != run:
                return found.address
        return None

    def _was_stopping(self, engine: str, run: str) -> bool:
        """Return whether a run has said that it would end."""
        session, lost = self.sessions.get(engine), self.lost.get(engine)
        if session is not None and session.address.run == run:
            return session.stopping
        return lost is not None and lost.address.run == run and lost.cause == "stopped"

    def has_stopped(self, engine: str) -> bool:
        """Return whether a lost engine had said that it would end."""
        lost = self.lost.get(engine)
        return lost is not None and lost.cause == "stopped"

    def _note_lost(self, session: Session, reason: str, at_us: int, cause: LossCause) -> None:
        address = session.address
        cause = "stopped" if session.stopping else cause
        self.losses[cause] += 1
        self.lost[address.engine] = LostEngine(address, reason, at_us, cause)
        self.lost.move_to_end(address.engine)
        if len(self.lost) > MOST_LOST:
            self.lost.popitem(last=False)


def reason_of(report: CameraReport) -> str:
    """Return why an engine refused a camera, without control characters and of limited length; empty if it did not."""
    return plain(report.refused)


@dataclass(frozen=True, slots=True)
class Failure:
    """What ended a camera on its engine, which does not try again: a short code, and a sentence."""

    reason: str
    message: str


def failure_of(camera: str, report: CameraReport) -> Failure | None:
    """Return what ended a camera, without control characters and of limited length; None if nothing did."""
    if report.state != "ended" or report.refused or not report.reason:
        return None
    return Failure(plain(report.reason), plain(report.message.removeprefix(f"camera {camera}: ")))


def plain(text: str) -> str:
    """Return what an engine or its agent tells without control characters, and of limited length."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_REASON])


def _check_address(address: EngineAddress) -> None:
    texts = (address.run, address.endpoint, address.replay, address.http or "", address.key or "")
    if not all(text.isprintable() and len(text) <= LONGEST_ADDRESS for text in texts):
        raise RefusedRenewalError(f"an address is not printable, or longer than {LONGEST_ADDRESS} characters")
    for text, schemes in (
        (address.endpoint, ("tcp", "ipc")),
        (address.replay, ("tcp", "ipc")),
        (address.http, ("http", "https")),
    ):
        if text is not None and not _is_address(text, schemes):
            raise RefusedRenewalError(f"{text!r} is not an address: {' or '.join(schemes)} is expected")


def _is_address(text: str, schemes: Sequence[str]) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in schemes and (parts.scheme == "ipc" or bool(parts.hostname and parts.port))
    except ValueError:  # of a host or a port
        return False


def _check_generations(renewal: Renewal, now_ms: int, generation_of: Callable[[str], int]) -> None:
    for camera, report in (renewal.cameras or {}).items():
        if report.generation > max(now_ms, generation_of(camera)) + GENERATIONS_AHEAD:
            raise RefusedRenewalError(
                f"{renewal.address.engine} reports camera {camera} with generation {report.generation}, which no "
                "coordinator of this fleet can have given: correct the clocks, and start the engine again"
            )


def _check(renewal: Renewal) -> None:
    if renewal.protocol != PROTOCOL:
        raise RefusedRenewalError(
            f"the coordinator speaks version {PROTOCOL} of the protocol and the engine version {renewal.protocol}: "
            "install the same version of partstream on both"
        )
    address = renewal.address
    if not NAME.fullmatch(address.engine) or not NAME.fullmatch(address.node):
        raise RefusedRenewalError("names of engines and nodes use a-z, 0-9, -, _ and dots, for example gpu-3")
    _check_address(address)
    if renewal.cameras is not None and not all(map(CAMERA_ID.fullmatch, renewal.cameras)):
        raise RefusedRenewalError("a camera's id uses a-z, 0-9, - and _, for example front-door")
