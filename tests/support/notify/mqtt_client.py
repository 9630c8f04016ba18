"""A client of a broker, as a home automation is: it keeps the last value of each topic, and reconnects."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiomqtt

from support.notify.mosquitto import PASSWORD, USER, Mosquitto
from support.waiting import POLL_S, until


@dataclass(frozen=True)
class Seen:
    """A message, and whether the broker had retained it."""

    topic: str
    body: bytes
    retained: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class MqttClient:
    """`messages` has everything in its order, `values` the last body of each topic."""

    def __init__(self, broker: Mosquitto, *topics: str) -> None:
        self.messages: list[Seen] = []
        self.values: dict[str, bytes] = {}
        self._broker = broker
        self._topics = topics or ("#",)
        self._client: aiomqtt.Client | None = None

    def value(self, topic: str) -> Any:
        """Return the last value of a topic, as JSON if it is."""
        body = self.values.get(topic, b"")
        try:
            return json.loads(body)
        except ValueError:
            return body.decode()

    def stream(self, topic: str) -> list[Any]:
        """Return the messages of a topic."""
        return [one.json for one in self.messages if one.topic == topic]

    @property
    def connected(self) -> bool:
        return self._client is not None

    async def publish(self, topic: str, body: str, *, retain: bool = False) -> None:
        client = await until(lambda: self._client)
        assert client is not None
        await client.publish(topic, body, qos=1, retain=retain)

    async def run(self) -> None:
        broker = self._broker
        while True:
            tls = ssl.create_default_context(cafile=str(broker.ca_file)) if broker.secure else None
            with suppress(aiomqtt.MqttError, OSError):
                async with aiomqtt.Client(
                    "localhost" if broker.secure else "127.0.0.1",
                    broker.port,
                    tls_context=tls,
                    protocol=aiomqtt.ProtocolVersion.V5,
                    logger=logging.getLogger("test client"),
                    username=USER if broker.secure else None,
                    password=PASSWORD if broker.secure else None,
                ) as client:
                    await client.subscribe([(topic, 1) for topic in self._topics])
                    self._client = client
                    async for message in client.messages:
                        body = message.payload
                        assert isinstance(body, bytes)
                        self.messages.append(Seen(message.topic.value, body, bool(message.retain)))
                        self.values[message.topic.value] = body
            self._client = None
            with suppress(TimeoutError):
                async with asyncio.timeout(10 * POLL_S):
                    await asyncio.Event().wait()


@asynccontextmanager
async def client_of(broker: Mosquitto, *topics: str) -> AsyncIterator[MqttClient]:
    """Run a client."""
    client = MqttClient(broker, *topics)
    task = asyncio.create_task(client.run())
    try:
        await until(lambda: client.connected)
        yield client
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
