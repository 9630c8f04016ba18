"""Apprise: phones, mail and chats. Its services block, so they run in threads of their own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apprise

from stream.notify.delivery import Attempt, Failed
from stream.notify.notify_config import AppriseConfig, secret
from stream.settings.config_error import ConfigError

WITHIN_S = 30.0
"""Time for a try in all. A service that answers later may have delivered it; the next try is marked."""
THREADS = 4
TYPES = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING, "critical": apprise.NotifyType.FAILURE}


class AppriseSender:
    """Sends to the addresses of one file. `picture` returns an alert's JPEG. Raises `ConfigError` for its file."""

    def __init__(self, config: AppriseConfig, picture: Callable[[str], Awaitable[bytes | None]]) -> None:
        self._config = config
        self._picture = picture
        self._services = apprise.Apprise()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")
        logging.getLogger("apprise").setLevel(logging.ERROR)  # its warnings contain addresses
        lines = [line.strip() for line in secret(config.urls_file, "urls_file").splitlines()]
        for number, line in enumerate(lines, 1):
            if line and not line.startswith("#") and not self._services.add(line):
                raise ConfigError(f"urls_file: {config.urls_file}, line {number}: Apprise does not know this address")
        if not len(self._services):
            raise ConfigError(f"urls_file: {config.urls_file}: has no address")

    async def close(self) -> None:
        """Start nothing further."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def ready(self) -> None:
        """Return at once: only a try shows whether the services answer."""

    async def send(self, attempt: Attempt) -> Failed | None:
        """Send a message to all addresses. If one of them fails, all get it again, marked."""
        notice = attempt.notice
        assert notice is not None, "only MQTT gets events"
        alert = notice.alert
        jpeg = await self._picture(alert.alert) if self._config.picture and alert is not None else None
        title = f"{alert.camera}: {alert.rule}" if alert is not None else "partstream"
        title += " (sent again)" if attempt.number > 1 else ""
        link = notice.links.get("review") or notice.links.get("picture")
        text = f"{notice.text}\n{link}" if link else notice.text
        kind = TYPES[alert.severity] if alert is not None and not notice.late else apprise.NotifyType.INFO
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(WITHIN_S):
                done = await loop.run_in_executor(self._threads, self._notify, title, text, kind, jpeg)
        except TimeoutError:
            return Failed(f"no answer within {WITHIN_S:g} s")
        return None if done else Failed("a service refused it or did not answer")

    def _notify(self, title: str, text: str, kind: apprise.NotifyType, jpeg: bytes | None) -> bool:
        if jpeg is None:
            return bool(self._services.notify(text, title=title, notify_type=kind))
        descriptor, path = tempfile.mkstemp(suffix=".jpg", prefix="alert-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(jpeg)
            return bool(self._services.notify(text, title=title, notify_type=kind, attach=path))
        finally:
            with contextlib.suppress(OSError):
                Path(path).unlink()
