"""The configured STUN and TURN servers, and warnings of those that give no address."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

from aiortc import RTCIceServer

from stream.settings.network import IceServer
from telemetry.repeat_limiter import RepeatLimiter

logger = logging.getLogger(__name__)

WARN_EVERY_S = 60.0

_IPV4_HOST = re.compile(r" (?:\d{1,3}\.){3}\d{1,3} \d+ typ host")
"""aioice asks a STUN server only from addresses of IPv4."""


class IceServers:
    """The servers as aiortc takes them, of which it uses the first of each kind."""

    def __init__(self, servers: Sequence[IceServer]) -> None:
        self.servers = [
            RTCIceServer(
                list(server.urls),
                server.username or None,
                server.credential.get_secret_value() if server.credential is not None else None,
            )
            for server in servers
        ]
        urls = [url for server in servers for url in server.urls]
        self._stun = next((url for url in urls if url.startswith("stun:")), None)
        self._turn = next((url for url in urls if url.startswith("turn")), None)
        self._limiter = RepeatLimiter(limit=1, per_s=WARN_EVERY_S)

    def check(self, description: str, now: float) -> None:
        """Warn of a server that gave our description no address, at most once a minute. `now`: monotonic seconds."""
        if self._stun is not None and " typ srflx" not in description and _IPV4_HOST.search(description):
            self._warn(self._stun, now)
        if self._turn is not None and " typ relay" not in description:
            self._warn(self._turn, now)

    def _warn(self, url: str, now: float) -> None:
        if self._limiter.admit(url, now)[0]:
            logger.warning(
                "webrtc.ice_servers: %s gives no address: it does not answer, or refuses. Each connection waits up to "
                "5 s for it, and may fail from other networks",
                url,
            )
