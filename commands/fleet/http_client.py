"""The address, token and session of a client of an engine or a coordinator."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp


def http_address(text: str, what: str) -> str:
    """Return `http(s)://HOST:PORT` for this or for `HOST:PORT`. Raises `ValueError`, which names `what`."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        place = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    except ValueError:
        raise ValueError(f"{what} must be http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError(f"{what} must be http://HOST:PORT, without user, password or query")
    if ":" in parts.hostname:
        place = f"[{parts.hostname}]" + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{place}"


class HttpClient:
    """Client of a server at `address`, `http(s)://HOST:PORT`, for use in `async with`.

    Raises `ValueError`, which names `what`, for any other address, and for a token that is not printable ASCII.
    """

    def __init__(self, address: str, token: str | None, what: str, *, within_s: float) -> None:
        self.address = http_address(address, f"the {what}'s address")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("the token must consist of printable ASCII characters")
        self._what = what
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._within_s = within_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            headers=self._headers, timeout=aiohttp.ClientTimeout(total=self._within_s)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    @property
    def sends_token(self) -> bool:
        """Whether requests have a token."""
        return bool(self._headers)

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open session. Raises RuntimeError outside `async with`."""
        if self._session is None:
            raise RuntimeError("use the client in `async with`")
        return self._session

    def failure(self, error: aiohttp.ClientError | OSError) -> str:
        """Return why a request got no answer, in words for the user. `TimeoutError` is an `OSError`."""
        match error:
            case aiohttp.ClientConnectorCertificateError():
                return f"the certificate of {self.address} is not trusted (set SSL_CERT_FILE to trust it)"
            case aiohttp.ClientConnectorError():
                number = error.os_error.errno
                why = os.strerror(number).lower() if number is not None and number > 0 else "unknown host"
                return f"no {self._what} answers at {self.address} ({why})"
            case TimeoutError():
                return f"{self.address} does not answer"
            case aiohttp.ClientResponseError():
                return f"{self.address} does not answer in HTTP: it is not the HTTP server of the {self._what}"
            case _:
                return f"the connection to {self.address} broke: is it the HTTP server of the {self._what}?"
