"""The engine's HTTP server, as notify uses it: rules, acknowledging, pictures. It may have no address."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from pathlib import Path
from typing import Any

import aiohttp

from stream.notify.notify_config import EngineConfig, secret
from stream.settings.config_error import ConfigError

logger = logging.getLogger(__name__)

OK = 200
WITHIN_S = 5.0
NOT_READY, ASK_AGAIN, ASK_AGAIN_S = 425, 6, 0.5
"""The answer for a picture that is being made, and how often and when it is requested again."""
EXPECTED = (200, 404, 410, NOT_READY)
"""Answers that are expected: some alerts have no picture, or no longer."""
UNAUTHORISED = (401, 403)
NO_ANSWER = 0

_ERRORS = (aiohttp.ClientError, TimeoutError, ValueError, RecursionError)


class EngineApi:
    """Requests to the engine. Its methods return None if it does not answer. Raises `ConfigError` for its files."""

    def __init__(self, config: EngineConfig, public_url: str | None) -> None:
        self._address = config.api.rstrip("/") if config.api is not None else None
        self._public_url = public_url.rstrip("/") if public_url is not None else None
        self._headers = (
            {"Authorization": f"Bearer {secret(config.token_file, 'token_file')}"} if config.token_file else {}
        )
        self._tls = tls_context(config.ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._answers: dict[str, int] = {}
        """The last answer to each kind of request."""

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def rules(self) -> list[tuple[str, list[str] | None]] | None:
        """Return the rules in force, each with its cameras; None for all cameras."""
        status, body = await self._ask("GET", "/api/v1/rules", as_json=True)
        rules = body.get("rules") if status == OK and isinstance(body, dict) else None
        if not isinstance(rules, dict):
            return None
        return [(str(name), settings.get("cameras")) for name, settings in rules.items() if isinstance(settings, dict)]

    async def acknowledge(self, alert: str) -> bool:
        """Acknowledge an alert. Return whether the engine did."""
        status, _ = await self._ask("POST", f"/api/v1/alerts/{alert}/acknowledge")
        return status == OK

    async def picture(self, alert: str) -> bytes | None:
        """Return the JPEG of the frame that began an alert."""
        for _ in range(1 + ASK_AGAIN):
            status, body = await self._ask("GET", f"/api/v1/alerts/{alert}/picture")
            if status != NOT_READY:
                return body if status == OK else None
            await asyncio.sleep(ASK_AGAIN_S)
        return None

    async def links(self, alert: str) -> dict[str, str]:
        """Return public addresses of what the engine has of an alert now; none of what it has not."""
        if self._public_url is None:
            return {}
        status, body = await self._ask("GET", f"/api/v1/incidents/{alert}", as_json=True)
        if status == NO_ANSWER:
            return {}
        incident = body if status == OK and isinstance(body, dict) else None
        found: dict[str, str] = {}
        if (incident is not None and incident.get("picture")) or await self.picture(alert) is not None:
            found["picture"] = f"{self._public_url}/api/v1/alerts/{alert}/picture"
        if incident is not None:
            found["review"] = f"{self._public_url}/review?incident={alert}"
            if isinstance(clip := incident.get("clip"), str):
                found["clip"] = f"{self._public_url}/api/v1/clips/{clip}"
        return found

    async def _ask(self, method: str, path: str, *, as_json: bool = False) -> tuple[int, Any]:
        if self._address is None:
            return NO_ANSWER, None
        self._session = self._session or aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=WITHIN_S)
        )
        try:
            async with self._session.request(
                method, self._address + path, ssl=self._tls or True, allow_redirects=False
            ) as response:
                body = await response.read()
                found = json.loads(body) if as_json and response.status == OK else body
                self._report(response.status, f"{method} {path}")
                return response.status, found
        except _ERRORS as error:
            self._report(NO_ANSWER, f"{method} {path}", str(error).replace(" ssl:default", "") or type(error).__name__)
            return NO_ANSWER, None

    def _report(self, status: int, request: str, error: str = "") -> None:
        """Log an unexpected answer, or none, when it is a new one."""
        kind = "/".join(request.split("/")[:4])  # without ids
        before, self._answers[kind] = self._answers.get(kind), status
        if status != before and status not in EXPECTED:
            remedy = "; set engine.token_file to a valid token with the right look (review to acknowledge)"
            told = error or f"answered {status}{remedy if status in UNAUTHORISED else ''}"
            logger.warning("the engine's HTTP server %s: %s: %s", self._address, request, told)


def tls_context(ca_file: Path | None) -> ssl.SSLContext | None:
    """Return a context that trusts the authority in a PEM file; None without a file. Raises `ConfigError`."""
    if ca_file is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file: {ca_file}: is not a certificate in PEM format ({error})") from None
