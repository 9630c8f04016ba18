"""Notify: reads the engine's messages into the ledger, and sends what waits to each target, until it is cancelled."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import TYPE_CHECKING

from stream.notify.clock import now
from stream.notify.delivery import LEDGER_AGAIN_S, Lanes, Outbox, Sender
from stream.notify.engine_api import EngineApi
from stream.notify.intake import Intake, Outcome, Received
from stream.notify.ledger import Ledger
from stream.notify.notify_config import MqttConfig, NotifyConfig, Target, WebhookConfig
from stream.results import Message
from stream.settings.config_error import ConfigError
from stream.subscriber import Gap, Kind, Subscription, subscribe

if TYPE_CHECKING:
    from stream.notify.targets.mqtt_session import MqttSession

logger = logging.getLogger(__name__)

BURST, BURST_S = 64, 0.02
"""Messages of one transaction, and the time for which further ones are awaited."""
HIGH_WATER_MARK = 10_000
TICK_S = 1.0
RULES_S = 10.0
"""Interval of asking for the engine's rules."""

Series = tuple[tuple[str, ...], float]
"""Label values in the order of the catalogue, and the value."""


class Notifier:
    """One notify. Raises `ConfigError` if the ledger, a secret or an address cannot be used."""

    def __init__(self, config: NotifyConfig) -> None:
        self.config = config
        with _named("engine."):
            self.api = EngineApi(config.engine, config.public_url)
        with _named("ledger: "):
            self.ledger = Ledger(config.ledger, now().us)
        self.intake = Intake(config, self.ledger, now())
        self.outbox = Outbox(config, self.ledger)
        self.lanes: dict[str, Lanes] = {}
        self.ledger_error = ""
        """Why the ledger cannot be written; empty if it can."""
        self.ledger_errors = 0
        self.sessions: dict[str, MqttSession] = {}
        self._senders: dict[str, Sender] = {}
        self._version = self.ledger.version()
        self._first_start = self.ledger.meta("run") is None
        """What is missing from before it does not count as lost."""
        try:
            self._subscription = self._subscribed()
            for name, target in config.targets.items():
                with _named(f"targets.{name}."):
                    self._senders[name] = sender = self._sender(name, target)
                self.lanes[name] = Lanes(name, self.ledger, self.outbox, sender, self.api.links, self._ledger_failed)
        except BaseException:
            self.ledger.close()
            raise

    def _sender(self, name: str, target: Target) -> Sender:
        """Return the sender of a target. Its packages are imported only if they are needed."""
        if isinstance(target, WebhookConfig):
            from stream.notify.targets.webhook_sender import WebhookSender

            return WebhookSender(target)
        if isinstance(target, MqttConfig):
            from stream.notify.targets.mqtt_session import MqttSession
            from stream.notify.targets.mqtt_topics import desired

            def wanted(earlier: Collection[str]) -> tuple[dict[str, bytes], bool]:
                return desired(target, self.intake, earlier, now())

            session = MqttSession(
                name, target, self.ledger, wanted, self._command, self.api.picture, self._ledger_failed
            )
            self.sessions[name] = session
            return session
        from stream.notify.targets.apprise_sender import AppriseSender

        return AppriseSender(target, self.api.picture)

    async def run(self) -> None:
        """Read and send until cancelled."""
        async with AsyncExitStack() as stack:
            stack.callback(self.ledger.close)
            stack.push_async_callback(self.api.close)
            for sender in self._senders.values():
                stack.push_async_callback(sender.close)
            for lanes in self.lanes.values():
                stack.push_async_callback(lanes.close)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name="read")
                tasks.create_task(self._tick(), name="tick")
                for name, session in self.sessions.items():
                    tasks.create_task(session.run(), name=name)
                if self.config.engine.api is not None:
                    tasks.create_task(self._ask_for_rules(), name="rules")
                self._wake(self.lanes)

    # -- reading ------------------------------------------------------------------------------------------------
    def _subscribed(self) -> Subscription[Message]:
        """Return the subscription, which is not open yet, so that only its settings can be wrong."""
        engine = self.config.engine
        kinds: tuple[Kind, ...] = ("alerts", "events", "status", "stats", *(("directory",) if engine.fleet else ()))
        if any(isinstance(one, MqttConfig) and one.clips for one in self.config.targets.values()):
            kinds += ("clips",)
        try:
            return subscribe(
                engine.endpoint,
                kinds=kinds,
                replay=None if engine.fleet else engine.replay,
                on_gap=self._gap,
                high_water_mark=HIGH_WATER_MARK,
                server_key=engine.server_key,
                key_file=engine.key_file,
                resume=self.ledger.positions(),
            )
        except ValueError as error:
            raise ConfigError(f"engine: {error}") from None

    async def _read(self) -> None:
        async with self._subscription as messages:
            while True:
                burst = [await self._next(messages)]
                try:
                    async with asyncio.timeout(BURST_S):
                        while len(burst) < BURST:
                            burst.append(await self._next(messages))
                except TimeoutError:
                    pass
                await self._take(burst)

    async def _next(self, messages: Subscription[Message]) -> Received:
        message = await anext(messages)
        return Received(message, messages.replayed, messages.run not in ("", message.run))

    async def _take(self, burst: list[Received]) -> None:
        """Take messages; again and again if the disk fails: the engine's history has those that follow."""
        self._done(await self._retried(lambda: self.intake.take(burst, now())))

    async def _tick(self) -> None:
        while True:
            self._done(await self._retried(self._due))
            await asyncio.sleep(TICK_S)

    def _due(self) -> Outcome:
        version = self.ledger.version()
        outcome = self.intake.tick(now())
        if version != self._version:  # `notify retry` or `notify test`
            self._version = version
            outcome.targets |= self.lanes.keys()
        return outcome

    async def _ask_for_rules(self) -> None:
        """Ask for the rules, and take them once all cameras are known: the rules of others count as removed."""
        while True:
            rules = await self.api.rules()
            if rules is not None and self.intake.view.listed:
                self.take_rules(rules)
            await asyncio.sleep(RULES_S)

    def take_rules(self, rules: Sequence[tuple[str, Collection[str] | None]]) -> None:
        """Take the engine's rules, each with its cameras; None for all."""
        try:
            known = self.intake.view.cameras
            pairs = [(camera, rule) for rule, of in rules for camera in known if of is None or camera in of]
            if self.intake.set_rules(pairs):
                self._done(Outcome(shown=True))
        except sqlite3.Error as error:
            self._ledger_failed(error)

    async def _retried(self, work: Callable[[], Outcome]) -> Outcome:
        while True:
            try:
                outcome = work()
            except sqlite3.Error as error:
                self._ledger_failed(error)
                await asyncio.sleep(LEDGER_AGAIN_S)
                continue
            if self.ledger_error:
                logger.warning("the ledger can be written again")
                self.ledger_error = ""
            return outcome

    def _done(self, outcome: Outcome) -> None:
        self._wake(outcome.targets)
        if outcome.shown:
            for session in self.sessions.values():
                session.changed()

    async def _command(self, parts: list[str], text: str) -> str:
        """Do what a command says. Return the outcome: done, failed, unknown."""
        try:
            match parts:
                case ["alert", name, "set"] if text == "ACKNOWLEDGE":
                    row = next((one for one in self.ledger.open_alerts() if name in (one.id, one.of)), None)
                    if row is None:
                        return "unknown"
                    return "done" if await self.api.acknowledge(row.id) else "failed"
                case ["set"] if text in ("ARM", "DISARM"):
                    rules = list(self.ledger.rules())
                case [camera, "rule", rule, "set"] if text in ("ARM", "DISARM"):
                    rules = [(camera, rule)]
                case _:
                    return "unknown"
            if not self.intake.set_armed(rules, armed=text == "ARM"):
                return "unknown"
        except sqlite3.Error as error:
            self._ledger_failed(error)
            return "failed"
        self._done(Outcome(shown=True))
        return "done"

    def _wake(self, targets: Iterable[str]) -> None:
        for name in targets:
            try:
                self.lanes[name].wake()
            except sqlite3.Error as error:
                self._ledger_failed(error)

    def _gap(self, gap: Gap) -> None:
        if gap.topic.startswith("alerts/") and not (self._first_start and gap.first_seq == 0):
            self.intake.gap(gap.missed - gap.replayed, more=gap.more)

    def _ledger_failed(self, error: sqlite3.Error) -> None:
        self.ledger_errors += 1
        if not self.ledger_error:
            logger.error(
                "the ledger %s can't be written (%s); nothing is sent until it can be", self.config.ledger, error
            )
        self.ledger_error = str(error)

    # -- status -------------------------------------------------------------------------------------------------
    def errors(self) -> list[str]:
        """Return why notify is not well."""
        errors = [f"the ledger can't be written: {self.ledger_error}"] if self.ledger_error else []
        return [*errors, f"no message from the {self.intake.of}"] if self.intake.silent else errors

    def metrics(self) -> dict[str, Iterable[Series]]:
        """Return the metrics by name, without those of the HTTP server."""
        intake, now_us = self.intake, now().us
        pending = {name: self.ledger.count_since(name, "pending") for name in self.lanes}
        ages = {name: max(0.0, (now_us - (since_us or now_us)) / 1e6) for name, (_, since_us) in pending.items()}
        opened = Counter((row.camera, row.rule) for row in self.ledger.open_alerts())
        commands: Counter[tuple[str, str]] = Counter()
        for session in self.sessions.values():
            commands.update(session.commands)
        outcomes = {(name, key): count for name, lanes in self.lanes.items() for key, count in lanes.outcomes.items()}
        return {
            "notify_messages_total": _labelled(intake.messages),
            "notify_lost_total": [((), intake.lost)],
            "notify_deliveries_total": list(outcomes.items()),
            "notify_pending": [((name,), count) for name, (count, _) in pending.items()],
            "notify_oldest_pending_seconds": _labelled(ages),
            "notify_held_total": list(intake.held.items()),
            "notify_open_alerts": [(key, opened.get(key, 0)) for key in self.ledger.rules()],
            "notify_closed_total": _labelled(intake.closed),
            "notify_mqtt_connected": [((name,), one.connected) for name, one in self.sessions.items()],
            "notify_mqtt_connections_total": [((name,), one.connections) for name, one in self.sessions.items()],
            "notify_commands_total": list(commands.items()),
            "notify_ledger_errors_total": [((), self.ledger_errors)],
        }


@contextmanager
def _named(prefix: str) -> Generator[None]:
    """Say which part of the configuration an error is about."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{prefix}{error}") from None


def _labelled(counts: Mapping[str, float]) -> list[Series]:
    return [((name,), count) for name, count in counts.items()]
