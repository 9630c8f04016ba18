"""Webhooks: each message is posted with a signature of standardwebhooks.com. Redirects are not followed."""

from __future__ import annotations

from datetime import UTC, datetime

import aiohttp
from standardwebhooks import Webhook

from stream.notify.delivery import Attempt, Failed
from stream.notify.engine_api import tls_context
from stream.notify.notice import encode
from stream.notify.notify_config import WebhookConfig, secret
from stream.settings.config_error import ConfigError

WITHIN_S = 10.0
"""Time for a try in all."""
GONE = 410
"""The answer of a receiver that wants no more of this message."""


class WebhookSender:
    """Posts to one address. Raises `ConfigError` for its files."""

    def __init__(self, config: WebhookConfig) -> None:
        self._url = config.url
        self._signers = [_signer(secret(path, "secret_files"), f"secret_files: {path}") for path in config.secret_files]
        self._tls = tls_context(config.ca_file)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def ready(self) -> None:
        """Return at once: only a try shows whether the receiver answers."""

    async def send(self, attempt: Attempt) -> Failed | None:
        """Post a message. Any answer but 2xx is a failure."""
        self._session = self._session or aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S))
        body = payload(attempt)
        try:
            async with self._session.post(
                self._url, data=body, headers=self._headers(attempt, body), ssl=self._tls or True, allow_redirects=False
            ) as response:
                status, after = response.status, response.headers.get("Retry-After", "")
                response.close()  # the body is of no interest, and may be without an end
        except TimeoutError:
            return Failed(f"no answer within {WITHIN_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failed(_reason(error))
        if 200 <= status < 300:
            return None
        wait_s = float(after) if after.isdecimal() else 0.0  # a date is not read
        return Failed(f"answered {status}", wait_s, final=status == GONE)

    def _headers(self, attempt: Attempt, body: bytes) -> dict[str, str]:
        name, now = attempt.delivery.id, datetime.now(UTC)
        return {
            "Content-Type": "application/json",
            "User-Agent": "partstream-notify",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(name, now, body.decode()) for signer in self._signers),
            "webhook-attempt": str(attempt.number),
        }


def payload(attempt: Attempt) -> bytes:
    """Return the body, the same for each try unless the message has become late."""
    notice = attempt.notice
    assert notice is not None, "webhooks get no events"
    kind = f"alert.{notice.state}" if notice.alert is not None else f"notify.{notice.state}"
    timestamp = datetime.fromtimestamp(notice.at_us / 1e6, UTC).isoformat()
    return encode({"type": kind, "timestamp": timestamp, "data": notice})


def _reason(error: Exception) -> str:
    """Return why a try failed. Paths of addresses are secrets of many receivers, and some errors quote the address."""
    if isinstance(error, aiohttp.ClientResponseError):
        return " ".join(f"{type(error).__name__}: {error.message}".split())
    if isinstance(error, ValueError):
        return type(error).__name__
    return str(error) or type(error).__name__


def _signer(text: str, file: str) -> Webhook:
    try:
        return Webhook(text)
    except Exception:
        raise ConfigError(f"{file}: is not a secret of the form whsec_… (base64)") from None
