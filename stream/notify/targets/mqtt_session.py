"""The connection to an MQTT broker: made again whenever it is lost, with all retained state each time.

Each connection has a client of its own: one that reconnects would repeat unconfirmed messages without a mark. State is
not taken from what was published before, because the broker may have lost it. MQTT 5 confirms also what the broker does
not take. A message larger than the broker has said to take is not sent: the broker would end the connection. What it
receives is bounded: anyone who may publish to the topics of commands could otherwise fill the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import sqlite3
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from stream.notify.delivery import Attempt, Failed
from stream.notify.engine_api import tls_context
from stream.notify.ledger import Ledger
from stream.notify.notify_config import MqttConfig, secret
from stream.notify.targets import mqtt_topics
from stream.notify.targets.mqtt_topics import OFFLINE, ONLINE, availability, base_of

logger = logging.getLogger(__name__)
client_logger = logging.getLogger(f"{__name__}.client")
client_logger.setLevel(logging.CRITICAL)  # what it reports of a lost connection is reported here

CONFIRMED_WITHIN_S = 10.0
"""Time for the broker's confirmation of a message."""
KEEPALIVE_S = 15
RETRY_S = 2.0
EXPIRY_S = 300  # after which the broker drops a message that is not retained
SETTLE_S = 2.0  # which Home Assistant needs between discovery and the first alert
DEBOUNCE_S = 0.05
PEOPLE_S = 1.0
"""Shortest interval between two numbers of people of a camera."""
REFRESH_S = 60.0
"""Interval of repeating sensors, a third of the time after which Home Assistant takes them for unavailable."""
AT_ONCE = 16
"""Retained topics that are published at once."""
LONGEST_COMMAND = 64
"""Bytes of a command."""
COMMAND_S = 0.02
"""Shortest interval between two commands: each may write the ledger and the log."""
BIRTH_S = (1.0, 3.0)
"""Time after which everything is published again for Home Assistant, which asks for a delay so that it is not flooded.
"""
FAREWELL_S = 2.0
BEGINNINGS = ("began", "late", "closed")
PACKET_TOO_LARGE, UNSUPPORTED_VERSION = 0x95, 0x84
OVERHEAD = 16
"""Most bytes of a packet beside its topic and payload."""
MOST_WAITING = 256
"""Received messages that wait; further ones are discarded. A scene of a home may switch all rules at once."""
MOST_BYTES = 4096
"""Largest packet that the broker may send; commands have less than 300 bytes."""

Desired = Callable[[Collection[str]], tuple[dict[str, bytes], bool]]
"""Returns the payload of each retained topic, and whether these are all; gets the topics that the broker may have."""
Command = Callable[[list[str], str], Awaitable[str]]
"""Takes the parts of a command's topic after the base, and its text; returns `done`, `failed` or `unknown`."""


class RefusedError(aiomqtt.MqttError):
    """The broker confirmed a message with a code that says that it did not take it. The connection is usable."""


class TooLargeError(RefusedError):
    """The broker takes no message of this size."""


class ConfirmedClient(aiomqtt.Client):
    """`publish` raises `RefusedError`. The library (2.5) has no public way to the codes: its methods are extended."""

    def __init__(self, *values: Any, **options: Any):
        limits = Properties(PacketTypes.CONNECT)
        limits.MaximumPacketSize = MOST_BYTES
        options |= {"protocol": aiomqtt.ProtocolVersion.V5, "max_queued_incoming_messages": MOST_WAITING}
        super().__init__(*values, properties=limits, **options)
        self._refused: dict[int, ReasonCode] = {}
        self._most_bytes: int | None = None

    def check_size(self, topic: str, body: bytes) -> None:
        """Raise `TooLargeError` if the broker has said, on connecting, that it does not take a message of this size."""
        size = OVERHEAD + len(topic.encode()) + len(body)
        if self._most_bytes is not None and size > self._most_bytes:
            raise TooLargeError(f"it has {size} bytes, and the broker takes at most {self._most_bytes}")

    async def __aenter__(self) -> Self:
        """Connect. Why a connection ended is raised by what uses it, so its future need not be read."""
        for future in (self._connected, self._disconnected):
            future.add_done_callback(_retrieve)
        return await super().__aenter__()

    def _on_connect(
        self,
        client: Client,
        userdata: Any,
        flags: ConnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        self._most_bytes = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self._refused[mid] = reason_code
        super()._on_publish(client, userdata, mid, reason_code, properties)

    @contextmanager
    def _pending_call(self, mid: int, value: Any, pending_dict: dict[int, Any]) -> Generator[None]:
        self._refused.pop(mid, None)
        with super()._pending_call(mid, value, pending_dict):
            yield
        reason = self._refused.pop(mid, None)
        if reason is not None:
            refused = TooLargeError if reason.value == PACKET_TOO_LARGE else RefusedError
            raise refused(f"the broker refused it: {reason}")


def _retrieve(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


class MqttSession:
    """One broker, as a sender. Raises `ConfigError` for its files."""

    def __init__(
        self,
        name: str,
        config: MqttConfig,
        ledger: Ledger,
        desired: Desired,
        command: Command,
        picture: Callable[[str], Awaitable[bytes | None]],
        ledger_failed: Callable[[sqlite3.Error], None],
    ) -> None:
        self.connections = 0
        self.commands: Counter[tuple[str, str]] = Counter()
        """Commands by name and outcome."""
        self._name = name
        self._config = config
        self._ledger = ledger
        self._desired = desired
        self._command = command
        self._picture = picture
        self._ledger_failed = ledger_failed
        self._password = secret(config.password_file, "password_file") if config.password_file is not None else None
        secure = urlsplit(config.broker).scheme == "mqtts"
        self._tls = tls_context(config.ca_file) or ssl.create_default_context() if secure else None
        self._client: ConfirmedClient | None = None
        self._ready = asyncio.Event()
        self._changed = asyncio.Event()
        self._stuck = asyncio.Event()
        self._under_way: set[asyncio.Future[Failed | None]] = set()
        self._published: dict[str, bytes] = {}
        self._not_before_s: dict[str, float] = {}
        """When a number of people may be published again, seconds of the loop's clock."""
        self._warned = False

    @property
    def connected(self) -> bool:
        """Whether there is a connection."""
        return self._client is not None

    def changed(self) -> None:
        """Publish what differs in the retained state, soon."""
        self._changed.set()

    async def ready(self) -> None:
        """Wait until messages can be sent."""
        await self._ready.wait()

    async def send(self, attempt: Attempt) -> Failed | None:
        """Publish a message, and wait until the broker has confirmed it."""
        client = self._client
        if client is None:
            return Failed("not connected")
        sending = asyncio.ensure_future(self._send(client, attempt))
        self._under_way.add(sending)
        try:
            await asyncio.wait({sending})
        finally:
            self._under_way.discard(sending)
            sending.cancel()
        if sending.cancelled():
            return Failed("the connection was lost")
        return sending.result()

    async def _send(self, client: ConfirmedClient, attempt: Attempt) -> Failed | None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.MessageExpiryInterval = EXPIRY_S
        try:
            for topic, body in mqtt_topics.stream_messages(self._config, attempt):
                await self._publish(client, topic, body, retain=False, properties=properties)
            await self._send_picture(client, attempt, properties)
        except RefusedError as error:
            return Failed(str(error), final=isinstance(error, TooLargeError))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            self._stuck.set()
            return Failed(str(error) or type(error).__name__)
        return None

    async def _send_picture(self, client: ConfirmedClient, attempt: Attempt, properties: Properties) -> None:
        """Publish the picture of an alert that began. A message is delivered also if its picture cannot be."""
        notice = attempt.notice
        if not self._config.pictures or notice is None or notice.alert is None or notice.state not in BEGINNINGS:
            return
        jpeg = await self._picture(notice.alert.alert)
        if jpeg is None:
            return
        topic = mqtt_topics.picture_topic(self._config, notice.alert.camera)
        try:
            await self._publish(client, topic, jpeg, retain=False, properties=properties)
        except RefusedError as error:
            logger.warning("%s: %s: %s", self._name, topic, error)

    async def close(self) -> None:
        """Do nothing: `run` closes the connection when it is cancelled."""

    async def run(self) -> None:
        """Keep a connection, until cancelled; then report that notify is gone."""
        while True:
            try:
                async with self._new_client() as client:
                    self.connections += 1
                    try:
                        await self._serve(client)
                    except asyncio.CancelledError:
                        with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                            await client.publish(
                                availability(self._config), OFFLINE, qos=1, retain=True, timeout=FAREWELL_S
                            )
                        raise
            except* (aiomqtt.MqttError, OSError) as group:
                self._lost(group.exceptions[0])
            except* Exception:
                logger.exception("%s: the connection failed unexpectedly; connecting again", self._name)
            await asyncio.sleep(RETRY_S * random.uniform(0.8, 1.2))

    def _lost(self, error: BaseException) -> None:
        if not self._warned:
            old = getattr(getattr(error, "rc", None), "value", None) == UNSUPPORTED_VERSION
            reason = "it does not support MQTT 5: update it, or use another broker" if old else error
            logger.warning("%s: no connection to %s (%s); messages wait", self._name, self._config.broker, reason)
        self._warned = True

    async def _serve(self, client: ConfirmedClient) -> None:
        """Publish all state, then what changes, and take commands, until the connection is lost."""
        base = base_of(self._config)
        # A command that was sent as retained says so also when it is new.
        for topic in (f"{base}/set", f"{base}/+/rule/+/set", f"{base}/alert/+/set"):
            await client.subscribe(topic, options=SubscribeOptions(qos=1, retainAsPublished=True))
        if self._config.discovery is not None:
            await client.subscribe(f"{self._config.discovery}/status", options=SubscribeOptions(qos=1))
        self._published.clear()
        self._changed.set()
        self._client = client
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take_commands(client))
                tasks.create_task(self._end_if_stuck())
                await self._publish_differences(client)
                logger.info("%s: connected to %s", self._name, self._config.broker)
                self._warned = False
                tasks.create_task(self._keep_published(client))
                await asyncio.sleep(SETTLE_S)
                self._ready.set()
        finally:
            self._ready.clear()
            self._client = None
            for sending in self._under_way:
                sending.cancel()

    async def _end_if_stuck(self) -> None:
        """End the connection when the broker did not confirm a message."""
        self._stuck.clear()
        await self._stuck.wait()
        raise aiomqtt.MqttError("a message was not confirmed")

    async def _keep_published(self, client: ConfirmedClient) -> None:
        loop = asyncio.get_running_loop()
        refresh_s = loop.time() + REFRESH_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PEOPLE_S):
                    await self._changed.wait()
            await asyncio.sleep(DEBOUNCE_S)
            self._changed.clear()
            if loop.time() >= refresh_s:
                refresh_s = loop.time() + REFRESH_S
                self._published.clear()
            await self._publish_differences(client)

    async def _publish_differences(self, client: ConfirmedClient) -> None:
        """Publish the retained topics that changed, empty those that are gone, and record which there are."""
        try:
            known = self._ledger.mqtt_topics(self._name)
            wanted, complete = self._desired(known)
        except sqlite3.Error as error:
            self._ledger_failed(error)
            return
        gone = known - wanted.keys() if complete else set[str]()
        self._record(added=wanted.keys() - known)
        now_s = asyncio.get_running_loop().time()
        changed = {
            topic: body
            for topic, body in wanted.items()
            if self._published.get(topic) != body and now_s >= self._not_before_s.get(topic, 0.0)
        }
        self._not_before_s |= {topic: now_s + PEOPLE_S for topic in changed if topic.endswith("/people")}
        await self._publish_all(client, mqtt_topics.removals(self._config, gone, wanted))
        await self._publish_all(client, changed | dict.fromkeys(gone, b""))
        self._record(removed=gone)

    def _record(self, added: Collection[str] = (), removed: Collection[str] = ()) -> None:
        if not added and not removed:
            return
        try:
            with self._ledger.transaction():
                self._ledger.set_mqtt_topics(self._name, added, removed)
        except sqlite3.Error as error:
            self._ledger_failed(error)
        for topic in removed:
            self._published.pop(topic, None)

    async def _publish_all(self, client: ConfirmedClient, messages: Mapping[str, bytes]) -> None:
        """Publish retained messages, several at once, in their order."""
        items = list(messages.items())
        for first in range(0, len(items), AT_ONCE):
            some = items[first : first + AT_ONCE]
            await asyncio.gather(*(self._publish_retained(client, topic, body) for topic, body in some))

    async def _publish_retained(self, client: ConfirmedClient, topic: str, body: bytes) -> None:
        """Publish a retained message. One that the broker refuses is published again with all others."""
        try:
            await self._publish(client, topic, body, retain=True)
        except RefusedError as error:
            self._published[topic] = body
            logger.warning("%s: %s: %s", self._name, topic, error)

    async def _publish(
        self, client: ConfirmedClient, topic: str, body: bytes, *, retain: bool, properties: Properties | None = None
    ) -> None:
        """Publish with QoS 1. Raises `MqttError` if the broker does not confirm it, which ends the connection."""
        client.check_size(topic, body)
        await client.publish(topic, body, qos=1, retain=retain, properties=properties, timeout=CONFIRMED_WITHIN_S)
        if retain:
            self._published[topic] = body

    # -- commands -----------------------------------------------------------------------------------------------
    async def _take_commands(self, client: ConfirmedClient) -> None:
        async for message in client.messages:
            topic = message.topic.value
            body = message.payload if isinstance(message.payload, bytes) else b""
            if self._config.discovery is None or topic != f"{self._config.discovery}/status":
                await self._take_command(topic, body, retained=bool(message.retain))
            elif body == ONLINE and not message.retain:
                asyncio.get_running_loop().call_later(random.uniform(*BIRTH_S), self._publish_again)
            await asyncio.sleep(COMMAND_S)

    def _publish_again(self) -> None:
        self._published.clear()
        self._changed.set()

    async def _take_command(self, topic: str, body: bytes, *, retained: bool) -> None:
        text = body.decode("ascii", "replace") if len(body) <= LONGEST_COMMAND else ""
        name = text.lower() if text in ("ARM", "DISARM", "ACKNOWLEDGE") else "unknown"
        if retained:
            logger.warning("%s: a retained command on %s is ignored: commands must not be retained", self._name, topic)
            outcome = "retained"
        else:
            outcome = "unknown"
            if name != "unknown":
                parts = topic.removeprefix(base_of(self._config) + "/").split("/")
                outcome = await self._command(parts, text)
            if outcome == "unknown":
                logger.warning(
                    "%s: %r on %s is ignored: there is no such command, rule or open alert", self._name, text, topic
                )
        self.commands[name, outcome] += 1

    # -- connection ---------------------------------------------------------------------------------------------
    def _new_client(self) -> ConfirmedClient:
        parts = urlsplit(self._config.broker)
        return ConfirmedClient(
            parts.hostname or "",
            parts.port or (8883 if self._tls is not None else 1883),
            username=self._config.username,
            password=self._password,
            identifier=f"partstream-{self._config.node}",
            will=aiomqtt.Will(availability(self._config), OFFLINE, qos=1, retain=True),
            timeout=CONFIRMED_WITHIN_S,
            keepalive=KEEPALIVE_S,
            tls_context=self._tls,
            logger=client_logger,
        )
