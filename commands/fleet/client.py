"""How commands ask the controller: their options, its HTTP API, and errors in words for the user."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import urlsplit

import typer

from commands.ending import EXIT_USAGE, fail

if TYPE_CHECKING:
    import aiohttp

UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="The controller's HTTP server.")]
TokenOption = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", envvar="PARTSTREAM_FLEET_TOKEN", help="The controller's token, needed off loopback."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:9095"
ANSWER_WITHIN_S = 15.0
CREATED = 201


class ControllerError(Exception):
    """The controller did not do what it was asked; the message says why, or what to do.

    `kind` is the type of the problem in its answer, for example `no-such-camera`; empty if there was none.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class ControllerClient:
    """Client of the controller at `address`, `http(s)://HOST:PORT`, for use in `async with`.

    Raises `ValueError` for any other address, and for a token that is not printable ASCII.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = _http_address(address)
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token must consist of printable ASCII characters")
        self._token = token
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        self._session = aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, *path: str) -> Any:
        """Return the JSON at `/api/v1/PATH`. Raises `ControllerError`."""
        return await self.ask("GET", *path)

    async def ask(self, method: str, *path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Any:
        """Make a request, and return the JSON of the answer; None if it has none. Raises `ControllerError`."""
        return (await self._ask(method, *path, body=body, query=query))[1]

    async def put(self, *path: str, body: Any) -> tuple[bool, Any]:
        """Return whether what was put is new, and the JSON of the answer. Raises `ControllerError`."""
        status, answer = await self._ask("PUT", *path, body=body)
        return status == CREATED, answer

    async def _ask(
        self, method: str, *path: str, body: Any = None, query: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        import aiohttp
        from yarl import URL

        assert self._session is not None, "use the client in `async with`"
        url = URL(self.address).joinpath("api", "v1", *path).with_query(query or {})
        try:
            async with self._session.request(method, url, json=body, allow_redirects=False) as answer:
                text = await answer.text()
                if answer.status == 401:
                    raise ControllerError(self._unauthorised(), "unauthorised")
                if answer.status >= 300:
                    raise _refusal(answer.status, text)
                return answer.status, json.loads(text) if text else None
        except aiohttp.ClientConnectorCertificateError:
            text = f"the certificate of {self.address} is not trusted (set SSL_CERT_FILE to trust it)"
            raise ControllerError(text) from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            why = os.strerror(number).lower() if number is not None and number > 0 else "unknown host"
            raise ControllerError(f"no controller answers at {self.address} ({why})") from None
        except TimeoutError:
            raise ControllerError(f"{self.address} does not answer") from None
        except (aiohttp.ClientError, OSError, ValueError, RecursionError):
            raise ControllerError(f"{self.address} is not a controller of this version") from None

    def _unauthorised(self) -> str:
        """Return what to do about the token, or its lack. The server's own advice is for those who configure it."""
        if not self._token:
            return f"the controller at {self.address} needs a token: give it by --token or PARTSTREAM_FLEET_TOKEN"
        return (
            f"the controller at {self.address} refuses this token: give one of controller.http.read_token, "
            "control_token or tokens_file by --token or PARTSTREAM_FLEET_TOKEN, or none if it needs none"
        )


def ask(url: str, token: str | None, work: Callable[[ControllerClient], Awaitable[Any]]) -> Any:
    """Return what `work` does with a client. Ends the command if the controller refuses or does not answer."""
    try:
        client = ControllerClient(url, token)
    except ValueError as error:
        fail(str(error), EXIT_USAGE)

    async def run() -> Any:
        async with client:
            return await work(client)

    try:
        return asyncio.run(run())
    except ControllerError as error:
        fail(str(error))


def _http_address(text: str) -> str:
    """Return `http(s)://HOST:PORT` for this or for `HOST:PORT`. Raises `ValueError`."""
    what = "the controller's address must be http://HOST:PORT"
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(what) from None
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query:
        raise ValueError(f"{what}, without user, password or query")
    place = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{place}" + (f":{port}" if port else "")


def _refusal(status: int, text: str) -> ControllerError:
    """Return the error for a problem (RFC 9457)."""
    try:
        problem = json.loads(text)
        kind = str(problem.get("type", "")).rpartition(":")[2]
        message = str(problem.get("detail") or problem.get("title") or f"HTTP status {status}")
        fields = [f"{one['field']}: {one['detail']}" for one in problem.get("errors") or []]
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return ControllerError(f"the controller refuses: HTTP status {status}")
    return ControllerError("; ".join([message, *(field for field in fields if field not in message)]), kind)
