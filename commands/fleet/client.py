"""How commands ask the controller: their options, its HTTP API, and errors in words for the user."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer

from commands.ending import EXIT_USAGE, fail

UrlOption = Annotated[str, typer.Option("--url", metavar="URL", help="The controller's HTTP server.")]
TokenOption = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", envvar="PARTSTREAM_FLEET_TOKEN", help="The controller's token, needed off loopback."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_URL = "http://127.0.0.1:9095"
ANSWER_WITHIN_S, ANSWER_BYTES = 15.0, 64 << 20
"""An answer about 10,000 cameras has 7 MB."""
_SCHEMES = {"http": (http.client.HTTPConnection, 80), "https": (http.client.HTTPSConnection, 443)}


class ControllerError(Exception):
    """The controller did not do what it was asked; the message says why, or what to do.

    `kind` is the type of the problem in its answer, for example `no-such-camera`; empty if there was none.
    """

    def __init__(self, message: str, kind: str = "") -> None:
        super().__init__(message)
        self.kind = kind


class ControllerClient:
    """Client of the controller at `http(s)://HOST:PORT`. Another address, or an impossible token, ends the command."""

    def __init__(self, address: str, token: str | None = None) -> None:
        if token is not None and not (token.isascii() and token.isprintable()):
            fail("the token must consist of printable ASCII characters", EXIT_USAGE)
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            kind, usual_port = _SCHEMES[parts.scheme]
            if "@" in parts.netloc or not parts.hostname:
                raise ValueError
            self._connection = kind(parts.hostname, parts.port or usual_port, timeout=ANSWER_WITHIN_S)
        except (ValueError, KeyError, http.client.InvalidURL):
            fail("the controller's address must be http://HOST:PORT, without user or password", EXIT_USAGE)
        self.address = f"{parts.scheme}://{parts.netloc}"
        self._token = token

    def status(self) -> dict[str, Any]:
        """Return the status of the fleet. Raises `ControllerError`."""
        return self._get("status", lambda status: status["engines"])

    def cameras(self) -> list[dict[str, Any]]:
        """Return the cameras. Raises `ControllerError`."""
        return self._get("cameras", lambda found: [one["place"] for one in found["cameras"]])["cameras"]

    def _get(self, path: str, check: Callable[[Any], Any]) -> Any:
        content = self.ask("GET", path)[1]
        try:  # an engine has the same paths
            check(content)
        except (KeyError, TypeError):
            raise ControllerError(f"{self.address} is not a controller of this version") from None
        return content

    def ask(self, method: str, *path: str, body: Any = None, query: str = "") -> tuple[int, Any]:
        """Make a request. Return the status, and the JSON of the answer if it has any. Raises `ControllerError`."""
        target = "/".join(["/api/v1", *(quote(step, safe="") for step in path)]) + query
        token = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers = {"Content-Type": "application/json", "Connection": "close", **token}
        try:
            self._connection.request(method, target, None if body is None else json.dumps(body), headers)
            answer = self._connection.getresponse()
            content: Any = json.loads(text) if (text := answer.read(ANSWER_BYTES)) else None
            if answer.status < 300:
                return answer.status, content
            message, kind = content["detail"], content["type"].rpartition(":")[2]
        except ssl.SSLCertVerificationError:
            raise ControllerError(f"{self.address}: its certificate is not trusted: set SSL_CERT_FILE") from None
        except (http.client.BadStatusLine, ssl.SSLError, ValueError, TypeError, KeyError, RecursionError):
            raise ControllerError(f"{self.address} is not a controller of this version") from None
        except TimeoutError:
            raise ControllerError(f"{self.address} does not answer") from None
        except (OSError, http.client.HTTPException) as error:
            why = (isinstance(error, OSError) and error.strerror) or str(error)
            advice = "`partstream fleet up` starts one, and --url names another"
            raise ControllerError(f"no controller answers at {self.address} ({why.lower()}): {advice}") from None
        raise ControllerError(self._unauthorised() if answer.status == 401 else message, kind)

    def _unauthorised(self) -> str:
        """Return what to do about the token, or its lack. The server's own advice is for those who configure it."""
        if not self._token:
            return f"the controller at {self.address} needs a token: give it by --token or PARTSTREAM_FLEET_TOKEN"
        return (
            f"the controller at {self.address} refuses this token: give one of controller.http.read_token, "
            "control_token or tokens_file by --token or PARTSTREAM_FLEET_TOKEN, or none if it needs none"
        )
