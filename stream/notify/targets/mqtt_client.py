"""A client of MQTT that tells whether the broker refused a message: MQTT 5 confirms also what it does not take.

A message larger than the broker has said to take is not sent: the broker would end the connection.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import aiomqtt
from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

PACKET_TOO_LARGE = 0x95
OVERHEAD = 16
"""Most bytes of a packet beside its topic and payload."""


class RefusedError(aiomqtt.MqttError):
    """The broker confirmed a message with a code that says that it did not take it. The connection is usable."""


class TooLargeError(RefusedError):
    """The broker takes no message of this size."""


class ConfirmedClient(aiomqtt.Client):
    """`publish` raises `RefusedError`. The library (2.5) has no public way to the codes: its methods are extended."""

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__(*values, **options)
        self._refused: dict[int, ReasonCode] = {}
        self._most_bytes: int | None = None

    def check_size(self, topic: str, body: bytes) -> None:
        """Raise `TooLargeError` if the broker has said, on connecting, that it does not take a message of this size."""
        size = OVERHEAD + len(topic.encode()) + len(body)
        if self._most_bytes is not None and size > self._most_bytes:
            raise TooLargeError(f"it has {size} bytes, and the broker takes at most {self._most_bytes}")

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
