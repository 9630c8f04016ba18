"""A client of the coordinator's HTTP API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp
from yarl import URL

from commands.fleet.http_client import HttpClient

ANSWER_WITHIN_S = 15.0
CREATED = 201


class CoordinatorError(Exception):
    """The coordinator did not do what it was asked; the message says why, or what to do.

    `kind` is the type of the problem in its answer, for example `no-such-camera`; empty if there was none.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class CoordinatorClient(HttpClient):
    """Client of the coordinator at `address`, `http(s)://HOST:PORT`. Raises `ValueError` for any other address."""

    def __init__(self, address: str, token: str | None = None) -> None:
        super().__init__(address, token, "coordinator", within_s=ANSWER_WITHIN_S)

    async def get(self, *path: str) -> Any:
        """Return the JSON at `/api/v1/PATH`. Raises `CoordinatorError`."""
        return await self.ask("GET", *path)

    async def ask(self, method: str, *path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """Make a request, and return the JSON of the answer; None if it has none. Raises `CoordinatorError`."""
        return (await self._ask(method, *path, body=body, query=query))[1]

    async def put(self, *path: str, body: Any) -> tuple[bool, Any]:
        """Return whether what was put is new, and the JSON of the answer. Raises `CoordinatorError`."""
        status, answer = await self._ask("PUT", *path, body=body)
        return status == CREATED, answer

    async def _ask(
        self, method: str, *path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        url = URL(self.address).joinpath("api", "v1", *path).with_query(query or {})
        try:
            async with self.session.request(method, url, json=body, allow_redirects=False) as answer:
                text = await answer.text()
                if answer.status == 401:
                    raise CoordinatorError(self._unauthorised(), "unauthorised")
                if answer.status >= 300:
                    raise _refusal(answer.status, text)
                return answer.status, json.loads(text) if text else None
        except (aiohttp.ClientError, OSError) as error:
            raise CoordinatorError(self.failure(error)) from None
        except (ValueError, RecursionError):
            raise CoordinatorError(f"{self.address} is not a coordinator of this version") from None

    def _unauthorised(self) -> str:
        """Return what to do about the token, or its lack. The server's own advice is for those who configure it."""
        if not self.sends_token:
            return f"the coordinator at {self.address} needs a token: give it by --token or PARTSTREAM_FLEET_TOKEN"
        return (
            f"the coordinator at {self.address} refuses this token: give one of coordinator.http.read_token, "
            "control_token or tokens_file by --token or PARTSTREAM_FLEET_TOKEN, or none if it needs none"
        )


def _refusal(status: int, text: str) -> CoordinatorError:
    """Return the error for a problem (RFC 9457)."""
    try:
        problem = json.loads(text)
        kind = str(problem.get("type", "")).rpartition(":")[2]
        message = str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
        fields = [f"{one['field']}: {one['detail']}" for one in problem.get("errors") or []]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return CoordinatorError(f"the coordinator refuses: HTTP status {status}")
    return CoordinatorError("; ".join([message, *(field for field in fields if field not in message)]), kind)
