"""A client of the coordinator's HTTP API."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import Any

import aiohttp
from yarl import URL

from commands.top.engine_client import http_address

ANSWER_WITHIN_S = 15.0


class CoordinatorError(Exception):
    """The coordinator did not do what it was asked; the message says why, or what to do."""


class CoordinatorClient:
    """Client of the coordinator at `address`, `http(s)://HOST:PORT`. Raises `ValueError` for any other address."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = http_address(address, "the coordinator's address")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token must consist of printable ASCII characters")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> CoordinatorClient:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, *path: str) -> Any:
        """Return the JSON at `/api/v1/PATH`. Raises `CoordinatorError`."""
        return await self.ask("GET", *path)

    async def ask(self, method: str, *path: str, body: Any = None) -> Any:
        """Make a request, and return the JSON of the answer; None if it has none. Raises `CoordinatorError`."""
        assert self._session is not None
        url = URL(self.address).joinpath("api", "v1", *path)
        try:
            async with self._session.request(method, url, json=body) as answer:
                text = await answer.text()
                if answer.status >= 400:
                    raise CoordinatorError(_refusal(answer.status, text))
                return json.loads(text) if text else None
        except TimeoutError:
            raise CoordinatorError(f"the coordinator at {self.address} does not answer") from None
        except aiohttp.ClientConnectorCertificateError:
            raise CoordinatorError(
                f"the certificate of {self.address} is not trusted (set SSL_CERT_FILE to trust it)"
            ) from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            why = os.strerror(number).lower() if number is not None and number > 0 else "unknown host"
            raise CoordinatorError(f"no coordinator answers at {self.address} ({why})") from None
        except (aiohttp.ClientError, OSError):
            raise CoordinatorError(f"the connection to {self.address} broke") from None
        except (ValueError, RecursionError):
            raise CoordinatorError(f"{self.address} is not a coordinator of this version") from None


def _refusal(status: int, text: str) -> str:
    """Return the message of a problem (RFC 9457)."""
    try:
        problem = json.loads(text)
        message = str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
        fields = [f"{one['field']}: {one['detail']}" for one in problem.get("errors") or []]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return f"the coordinator refuses: HTTP status {status}"
    if status == 401:
        return f"{message}; give the coordinator's token by --token or PARTSTREAM_FLEET_TOKEN"
    return "; ".join([message, *fields])
