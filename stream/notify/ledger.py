"""The ledger: a SQLite file of alerts, of messages to each target, and of how far the engine's topics were read.

What a burst of messages changes is written in one transaction, synchronously: after a kill at any instant, either all
of it is there or none. A try is recorded before it is made, so that a message that may have arrived is known to be sent
again. One process, which holds the lock beside the file, sends; others may read, and may put a message back (`retry`).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import msgspec

from stream import file_lock
from stream.messaging.gaps import EPOCHS_FOLLOWED, Position
from stream.results import Alert
from stream.settings.config_error import ConfigError

VERSION = 2
BUSY_S = 5.0
"""Time for which a write waits for another process."""
ALERTS_KEPT_US = 30 * 24 * 3_600_000_000
"""Closed alerts are known for this time, so that none is announced twice."""

DeliveryState = Literal["pending", "sent", "held", "given_up"]

_SCHEMA = """
CREATE TABLE meta(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE positions(topic TEXT, run TEXT, epoch INTEGER, next_seq INTEGER, PRIMARY KEY(topic, run, epoch))
    WITHOUT ROWID;
CREATE TABLE alerts(id TEXT PRIMARY KEY, camera TEXT, rule TEXT, open INTEGER, last_us INTEGER, on_until_us INTEGER,
    row BLOB);
CREATE INDEX alerts_by_camera ON alerts(camera, open, last_us);
CREATE INDEX alerts_by_end ON alerts(open, on_until_us);
CREATE TABLE deliveries(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, target TEXT, lane TEXT, kind TEXT, alert TEXT,
    critical INTEGER, plan BLOB, body BLOB DEFAULT x'', state TEXT, attempts INTEGER DEFAULT 0, due_us INTEGER,
    created_us INTEGER, done_us INTEGER DEFAULT 0, error TEXT, UNIQUE(target, id));
CREATE INDEX deliveries_by_lane ON deliveries(target, state, lane, seq);
CREATE INDEX deliveries_by_time ON deliveries(target, created_us);
CREATE INDEX deliveries_by_alert ON deliveries(alert, target);
CREATE INDEX deliveries_to_sum_up ON deliveries(target, due_us) WHERE state = 'held' AND due_us > 0;
CREATE TABLE rules(camera TEXT, rule TEXT, armed INTEGER DEFAULT 1, listed INTEGER DEFAULT 1,
    PRIMARY KEY(camera, rule)) WITHOUT ROWID;
CREATE TABLE mqtt_topics(target TEXT, topic TEXT, PRIMARY KEY(target, topic)) WITHOUT ROWID;
"""


class AlertRow(msgspec.Struct, frozen=True):
    """What is known of an alert. `message` is its last message; `run` the engine's run that sent it."""

    id: str
    camera: str
    rule: str
    run: str
    open: bool
    last_us: int
    """When it last changed."""
    on_until_us: int
    """Its sensor is on until then, also if it is closed."""
    closed_by: str
    """The engine's `clear_reason`, or `stats`, `new_run`, `moved` or `engine_lost`; empty while open."""
    shown: bool
    """Whether sensors show it; not of a disarmed rule, or if the run of the engine in which it began was over."""
    announced: bool
    """Whether messages about it are sent; not of a disarmed rule, or if it was open at notify's first start."""
    message: Alert
    of: str = ""
    """Of a fleet: the alert that goes on with this one at another engine, and whose messages go on; empty for none."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message to a target. The first six fields and, if it is held back, `error` are given when it is planned."""

    id: str
    target: str
    kind: str
    plan: bytes
    lane: str = ""
    """Messages of a lane are sent in order."""
    alert: str = ""
    critical: bool = True
    state: DeliveryState = "pending"
    due_us: int = 0
    """Of a pending message: when it is tried again. Of a held one: when to sum it up; 0: never."""
    error: str = ""
    """Why the last try failed, or why it is held back."""
    seq: int = 0
    body: bytes = b""
    """What is sent, empty until the first try."""
    attempts: int = 0
    created_us: int = 0
    done_us: int = 0


_DELIVERY = (
    "id, target, kind, plan, lane, alert, critical, state, due_us, error, seq, body, attempts, created_us, done_us"
)
_alert = msgspec.json.Decoder(AlertRow).decode


class Ledger:
    """The ledger in the file `path`, made if missing. Methods block until the disk has what they write.

    A process that does not send is not `locked`; it opens only a file that exists. Raises `ConfigError` if the file is
    no ledger, or in use by another notify; methods raise `sqlite3.Error` if the disk fails.
    """

    def __init__(self, path: Path, now_us: int = 0, *, locked: bool = True) -> None:
        self._lock: int | None = None
        try:
            path = path.resolve()  # by another name it is the same ledger, with the same lock
            if not locked and not path.is_file():
                raise ConfigError(f"{path}: there is no ledger; `partstream notify` creates it")
            if locked:
                self._lock = file_lock.hold(_lock_of(path))
                if self._lock is None:
                    holder = file_lock.holder_of(_lock_of(path))
                    raise ConfigError(f"{path}: is in use by another `partstream notify` ({holder})")
            self.db = sqlite3.connect(path, BUSY_S, isolation_level=None, check_same_thread=False)
            path.chmod(0o600)
            self.db.execute("PRAGMA journal_mode = WAL")
            self.db.execute("PRAGMA synchronous = FULL")
            self._create(path, now_us)
        except (sqlite3.Error, OSError, RuntimeError) as error:
            self._unlock()
            raise ConfigError(f"{path}: can't be used as a ledger: {error}") from None

    def close(self) -> None:
        """Close the file."""
        self.db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _create(self, path: Path, now_us: int) -> None:
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            with self.transaction():
                for statement in _SCHEMA.split(";\n"):
                    self.db.execute(statement)
                self.set_meta("created_us", now_us)
                self.db.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            told = f"is a ledger of version {version}, and this partstream uses version {VERSION}"
            raise ConfigError(f"{path}: {told}; move it away to begin a new one")

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Write all that happens inside, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            raise

    def version(self) -> int:
        """Return a number that changes when another process has written."""
        return int(self.db.execute("PRAGMA data_version").fetchone()[0])

    # -- meta and positions -------------------------------------------------------------------------------------
    def meta(self, name: str) -> str | int | None:
        """Return a value, None if there is none."""
        row = self.db.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else row[0]

    def set_meta(self, name: str, value: str | int) -> None:
        """Set a value."""
        self.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def positions(self) -> list[Position]:
        """Return how far each topic was read; the positions of the run that was read last come last."""
        last = self.meta("read_run") or self.meta("run")
        query = "SELECT topic, run, epoch, next_seq FROM positions ORDER BY run IS ?, topic, epoch"
        return [Position(*row) for row in self.db.execute(query, (last,))]

    def reached(self, positions: Iterable[Position]) -> None:
        """Record how far topics were read, in this order. Only the latest run and epochs of a topic are kept."""
        run: str | None = None
        for one in positions:
            run = one.run
            self.db.execute("DELETE FROM positions WHERE topic = ? AND run <> ?", (one.topic, one.run))
            self.db.execute(
                "INSERT INTO positions VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET next_seq = excluded.next_seq",
                (one.topic, one.run, one.epoch, one.next_seq),
            )
            self.db.execute(
                "DELETE FROM positions WHERE topic = ? AND epoch <= ?", (one.topic, one.epoch - EPOCHS_FOLLOWED)
            )
        if run is not None:
            self.set_meta("read_run", run)

    # -- alerts -------------------------------------------------------------------------------------------------
    def alert(self, name: str) -> AlertRow | None:
        """Return an alert."""
        return next(iter(self._alerts("id = ?", name)), None)

    def open_alerts(self) -> list[AlertRow]:
        """Return the open alerts."""
        return self._alerts("open = 1")

    def ended_on(self, from_us: int, until_us: int) -> list[AlertRow]:
        """Return the closed alerts whose sensors are on until a time between these."""
        return self._alerts("open = 0 AND on_until_us BETWEEN ? AND ?", from_us, until_us)

    def closed_alerts(self, camera: str, most: int) -> list[AlertRow]:
        """Return the latest closed alerts of a camera, the oldest first."""
        return self._alerts("camera = ? AND open = 0 ORDER BY last_us DESC LIMIT ?", camera, most)[::-1]

    def put_alert(self, row: AlertRow) -> None:
        """Write an alert."""
        values = (row.id, row.camera, row.rule, row.open, row.last_us, row.on_until_us, msgspec.json.encode(row))
        self.db.execute("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def _alerts(self, where: str, *values: object) -> list[AlertRow]:
        return [_alert(row) for (row,) in self.db.execute(f"SELECT row FROM alerts WHERE {where}", values).fetchall()]

    # -- rules --------------------------------------------------------------------------------------------------
    def rules(self) -> dict[tuple[str, str], bool]:
        """Return whether each (camera, rule) is armed, of the rules that are listed."""
        query = "SELECT camera, rule, armed FROM rules WHERE listed"
        return {(camera, rule): bool(armed) for camera, rule, armed in self.db.execute(query)}

    def armed(self, camera: str, rule: str) -> bool:
        """Return whether a rule is armed. One that is not known is."""
        query = "SELECT armed FROM rules WHERE camera = ? AND rule = ?"
        return bool((self.db.execute(query, (camera, rule)).fetchone() or (True,))[0])

    def list_rule(self, camera: str, rule: str, *, listed: bool = True) -> None:
        """Write whether a rule is listed. One that is disarmed remains so."""
        query = "INSERT INTO rules(camera, rule, listed) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET listed = ?3"
        self.db.execute(query, (camera, rule, listed))

    def arm_rule(self, camera: str, rule: str, *, armed: bool) -> None:
        """Write whether a rule is armed."""
        self.db.execute("UPDATE rules SET armed = ? WHERE camera = ? AND rule = ?", (armed, camera, rule))

    # -- topics -------------------------------------------------------------------------------------------------
    def mqtt_topics(self, target: str) -> set[str]:
        """Return the retained topics that a broker may have."""
        return {topic for (topic,) in self.db.execute("SELECT topic FROM mqtt_topics WHERE target = ?", (target,))}

    def set_mqtt_topics(self, target: str, added: Iterable[str], removed: Iterable[str] = ()) -> None:
        """Write which retained topics a broker may have."""
        self.db.executemany("INSERT OR IGNORE INTO mqtt_topics VALUES (?, ?)", [(target, topic) for topic in added])
        self.db.executemany(
            "DELETE FROM mqtt_topics WHERE target = ? AND topic = ?", [(target, topic) for topic in removed]
        )

    # -- deliveries ---------------------------------------------------------------------------------------------
    def plan(self, one: Delivery, now_us: int) -> bool:
        """Add a message, unless the target has it already. Return whether it was added."""
        cursor = self.db.execute(
            "INSERT OR IGNORE INTO deliveries"
            "(id, target, kind, plan, lane, alert, critical, state, due_us, error, created_us) VALUES "
            "(:id, :target, :kind, :plan, :lane, :alert, :critical, :state, :due_us, :error, :now_us)",
            asdict(one) | {"now_us": now_us},
        )
        return cursor.rowcount == 1

    def head(self, target: str, lane: str) -> Delivery | None:
        """Return the lane's next message."""
        query = "target = ? AND state = 'pending' AND lane = ? ORDER BY seq LIMIT 1"
        return next(iter(self._deliveries(query, target, lane)), None)

    def lanes(self, target: str) -> list[str]:
        """Return the lanes in which messages wait."""
        query = "SELECT DISTINCT lane FROM deliveries WHERE target = ? AND state = 'pending'"
        return [lane for (lane,) in self.db.execute(query, (target,))]

    def of_alert(self, alert: str, target: str) -> list[Delivery]:
        """Return a target's messages about an alert, in their order."""
        return self._deliveries("alert = ? AND target = ? ORDER BY seq", alert, target)

    def find(
        self, *, target: str | None = None, state: str | None = None, limit: int = 1000, plain: bool = True
    ) -> list[Delivery]:
        """Return the latest messages, the oldest first; of one target or state if given.

        `plain`: also events and clips, which are the engine's own messages.
        """
        query = "(?1 IS NULL OR target = ?1) AND (?2 IS NULL OR state = ?2) AND (?3 OR kind NOT IN ('event', 'clip'))"
        return self._deliveries(query + " ORDER BY seq DESC LIMIT ?4", target, state, plain, limit)[::-1]

    def waits(self, seq: int) -> Delivery | None:
        """Return a message as it is now; None if it no longer waits."""
        return next(iter(self._deliveries("seq = ? AND state = 'pending'", seq)), None)

    def trying(self, seq: int, body: bytes) -> None:
        """Record that a try begins, with this body."""
        self.db.execute(
            "UPDATE deliveries SET attempts = attempts + 1, body = ? WHERE seq = ? AND state = 'pending'", (body, seq)
        )

    def tried(self, seq: int, state: DeliveryState, now_us: int, error: str = "", due_us: int = 0) -> None:
        """Record how a try ended, or that a message is held back."""
        done_us = 0 if state == "pending" else now_us
        self.db.execute(
            "UPDATE deliveries SET state = ?, error = ?, due_us = ?, done_us = ? WHERE seq = ?",
            (state, error, due_us, done_us, seq),
        )

    def retry(self, *, seq: int = 0, target: str | None = None) -> int:
        """Send messages that were given up or held back: one, or those given up of a target. Return their number."""
        query = "UPDATE deliveries SET state = 'pending', due_us = 0, done_us = 0, error = '' WHERE "
        if seq:
            return self.db.execute(query + "state IN ('given_up', 'held') AND seq = ?", (seq,)).rowcount
        return self.db.execute(query + "state = 'given_up' AND target = ?", (target,)).rowcount

    def count(self, target: str, state: DeliveryState) -> int:
        """Return the number of messages in a state."""
        return self.count_since(target, state)[0]

    def count_since(self, target: str, state: DeliveryState) -> tuple[int, int | None]:
        """Return the number of messages in a state, and when the first of them was planned."""
        query = "SELECT count(*), min(created_us) FROM deliveries WHERE target = ? AND state = ?"
        return self.db.execute(query, (target, state)).fetchone()

    def oldest_untried(self, target: str, limit: int) -> list[Delivery]:
        """Return messages that may be held back: those not critical first, then the oldest."""
        query = "target = ? AND state = 'pending' AND attempts = 0 ORDER BY critical, seq LIMIT ?"
        return self._deliveries(query, target, limit)

    def held_due(self, target: str, now_us: int, most_us: int) -> list[Delivery]:
        """Return held messages that are to be summed up now, if these are no quiet hours.

        `most_us`: longest wait of others. If a time is further ahead, the clock was set back.
        """
        return self._deliveries(
            "target = ? AND state = 'held' AND due_us > 0 "
            "AND (error = 'quiet_hours' OR due_us NOT BETWEEN ? AND ?) ORDER BY seq",
            target,
            now_us + 1,
            now_us + most_us,
        )

    def summed_up(self, numbers: Iterable[int]) -> None:
        """Record that held messages were summed up."""
        self.db.executemany("UPDATE deliveries SET due_us = 0 WHERE seq = ?", [(seq,) for seq in numbers])

    def group_began_us(self, target: str, camera: str, rule: str, since_us: int, until_us: int) -> int | None:
        """Return when the latest alert of a rule was planned that was not held back as one of a group; None if none."""
        query = (
            "SELECT max(created_us) FROM deliveries d JOIN alerts a ON a.id = d.alert "
            "WHERE target = ? AND created_us BETWEEN ? AND ? AND kind IN ('began', 'closed') "
            "AND NOT (state = 'held' AND error IN ('group', 'quiet_hours')) AND a.camera = ? AND a.rule = ?"
        )
        return self.db.execute(query, (target, since_us, until_us, camera, rule)).fetchone()[0]

    def counted(self, target: str, since_us: int, until_us: int) -> tuple[int, int]:
        """Return the number of messages that count towards a cap, and when the first of them was planned."""
        query = (
            "SELECT count(*), min(created_us) FROM deliveries WHERE target = ? AND created_us BETWEEN ? AND ? "
            "AND state <> 'held' AND kind IN ('began', 'closed', 'updated', 'acknowledged')"
        )
        return self.db.execute(query, (target, since_us, until_us)).fetchone()

    def prune(self, now_us: int, keep_days: int) -> None:
        """Delete what need not be known any longer."""
        before = now_us - keep_days * 24 * 3_600_000_000
        self.db.execute(
            "DELETE FROM deliveries WHERE state <> 'pending' AND due_us = 0 AND max(done_us, created_us) < ?", (before,)
        )
        self.db.execute("DELETE FROM alerts WHERE open = 0 AND last_us < ?", (now_us - ALERTS_KEPT_US,))

    def _deliveries(self, where: str, *values: object) -> list[Delivery]:
        rows = self.db.execute(f"SELECT {_DELIVERY} FROM deliveries WHERE {where}", values)
        return [Delivery(*row) for row in rows]


def in_use(path: Path) -> bool:
    """Return whether a notify runs with the ledger. Raises `OSError` if its lock cannot be read."""
    return file_lock.is_held(_lock_of(path.resolve()))


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
