"""A client of MQTT that tells whether the broker refused a message: MQTT 5 confirms also what it does not take."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import aiomqtt
from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode


class RefusedError(aiomqtt.MqttError):
    """The broker confirmed a message with a code that says that it did not take it. The connection is usable."""


class ConfirmedClient(aiomqtt.Client):
    """`publish` raises `RefusedError`. The library has no public way to the code (2.5), so two methods are extended."""

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__(*values, **options)
        self._refused: dict[int, str] = {}

    def _on_publish(
        self, client: Client, userdata: Any, mid: int, reason_code: ReasonCode, properties: Properties
    ) -> None:
        if reason_code.is_failure:
            self._refused[mid] = str(reason_code)
        super()._on_publish(client, userdata, mid, reason_code, properties)

    @contextmanager
    def _pending_call(self, mid: int, value: Any, pending_dict: dict[int, Any]) -> Generator[None]:
        self._refused.pop(mid, None)
        with super()._pending_call(mid, value, pending_dict):
            yield
        reason = self._refused.pop(mid, None)
        if reason is not None:
            raise RefusedError(f"the broker refused it: {reason}")
