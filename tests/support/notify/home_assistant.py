"""A real Home Assistant in a process of its own, with a user and its MQTT integration, asked over its API."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from support.ports import reserved_port
from support.repository import REPOSITORY
from support.waiting import until

PROGRAM = REPOSITORY / "build" / "home-assistant" / "bin" / "hass"
CONFIGURATION = """
homeassistant: {{name: Test, auth_providers: [{{type: homeassistant}}]}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
config:
api:
logger: {{default: warning}}
"""


class HomeAssistant:
    """Started, stopped and started again with what it has stored."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession) -> None:
        assert PROGRAM.is_file(), "Home Assistant is missing: run `make home-assistant`"
        self.port = reserved_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._folder = folder / "home-assistant"
        self._folder.mkdir()
        (self._folder / "configuration.yaml").write_text(CONFIGURATION.format(port=self.port))
        self._session = session
        self._process: asyncio.subprocess.Process | None = None
        self._headers: dict[str, str] = {}
        self.tokens: dict[str, Any] = {}
        """Of the user, as its page keeps them."""

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        # What it compiles at its first start it may keep: that takes a third of the start.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with (self._folder / "output.log").open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                str(PROGRAM),
                "--config",
                str(self._folder),
                "--skip-pip",
                stdout=log,
                stderr=log,
                env={**environment, "PYTHONPATH": "", "HOME": str(self._folder)},
            )
        await until(self._answers)

    async def stop(self) -> None:
        """Stop it in order."""
        if self._process is not None:
            if self._process.returncode is None:
                self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
            self._process = None

    async def set_up(self, broker_port: int) -> None:
        """Make a user, finish the onboarding, and connect to the broker."""
        user = {"client_id": f"{self.address}/", "name": "Ann", "username": "ann", "password": "secretpw1"}
        made = await self.ask("POST", "/api/onboarding/users", user | {"language": "en"})
        form = {"grant_type": "authorization_code", "code": made["auth_code"], "client_id": f"{self.address}/"}
        async with self._session.post(self.address + "/auth/token", data=form) as response:
            self.tokens = await response.json()
        self._headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        flow = await self.ask("POST", "/api/config/config_entries/flow", {"handler": "mqtt"})
        path = f"/api/config/config_entries/flow/{flow['flow_id']}"
        done = await self.ask("POST", path, {"broker": "127.0.0.1", "port": broker_port})
        assert done["type"] == "create_entry", done

    async def state(self, entity: str) -> dict[str, Any]:
        """Return an entity's state and attributes; empty if there is none."""
        async with self._session.get(f"{self.address}/api/states/{entity}", headers=self._headers) as response:
            return await response.json() if response.status == 200 else {"state": None, "attributes": {}}

    async def read(self, path: str) -> bytes:
        """Return what Home Assistant answers to its page; empty if that is an error."""
        async with self._session.get(self.address + path, headers=self._headers) as response:
            return await response.read() if response.status == 200 else b""

    async def entities(self) -> dict[str, str]:
        """Return the state of each entity."""
        return {one["entity_id"]: one["state"] for one in await self.ask("GET", "/api/states")}

    async def call(self, service: str, entity: str) -> None:
        """Call a service, such as `switch/turn_off`."""
        await self.ask("POST", f"/api/services/{service}", {"entity_id": entity})

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self.address + path, json=body, headers=self._headers) as response:
            assert response.status < 300, f"{path}: {response.status} {await response.text()}"
            return await response.json()

    async def _answers(self) -> bool:
        log = (self._folder / "output.log").read_text()
        assert self._process is not None and self._process.returncode is None, f"Home Assistant ended:\n{log}"
        # Then it answers, but without its users and integrations, and never will.
        assert "Activating recovery mode" not in log, f"Home Assistant started without what it needs:\n{log}"
        try:
            async with self._session.get(self.address + "/manifest.json") as response:
                if response.status >= 500:
                    return False
            if not self._headers:
                async with self._session.get(self.address + "/api/onboarding") as response:
                    return response.status == 200
            return (await self.ask("GET", "/api/config"))["state"] == "RUNNING"
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def home_assistant(folder: Path, broker_port: int) -> AsyncIterator[HomeAssistant]:
    """Run Home Assistant, connected to a broker."""
    async with aiohttp.ClientSession() as session:
        home = HomeAssistant(folder, session)
        await home.start()
        try:
            await home.set_up(broker_port)
            yield home
        finally:
            await home.stop()
