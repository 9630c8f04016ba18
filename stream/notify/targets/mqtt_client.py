"""A client of MQTT that tells whether the broker refused a message: MQTT 5 confirms also what it does not take.

A message larger than the broker has said to take is not sent: the broker would end the connection. What it receives is
bounded: anyone who may publish to the topics of commands could otherwise fill the memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Self

import aiomqtt
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PACKET_TOO_LARGE = 0x95
OVERHEAD = 16
"""Most bytes of a packet beside its topic and payload."""
MOST_WAITING = 256
"""Received messages that wait; further ones are discarded. A scene of a home may switch all rules at once."""
MOST_BYTES = 4096
"""Largest packet that the broker may send; commands have less than 300 bytes. Only MQTT 5 can say so."""


class RefusedError(aiomqtt.MqttError):
    """The broker confirmed a message with a code that says that it did not take it. The connection is usable."""


class TooLargeError(RefusedError):
    """The broker takes no message of this size."""


class ConfirmedClient(aiomqtt.Client):
    """`publish` raises `RefusedError`. The library (2.5) has no public way to the codes: its methods are extended.

    `discarded` is called for each received message for which there is no room.
    """

    def __init__(self, *values: Any, protocol: aiomqtt.ProtocolVersion, discarded: Callable[[], None], **options: Any):
        if protocol is aiomqtt.ProtocolVersion.V5:
            options["properties"] = limits = Properties(PacketTypes.CONNECT)
            limits.MaximumPacketSize = MOST_BYTES
        super().__init__(*values, protocol=protocol, max_queued_incoming_messages=MOST_WAITING, **options)
        self._discarded = discarded
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

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if self._queue.full():
            self._discarded()
        else:
            super()._on_message(client, userdata, message)

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
