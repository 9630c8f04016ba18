"""The log of requests that are not valid HTTP: without what the client has sent, which may be a token."""

from __future__ import annotations

import logging

from aiohttp.http_exceptions import HttpProcessingError


class _WithoutRequest(logging.Filter):
    """aiohttp logs such a request with a traceback that repeats it, before any handler of ours runs."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            record.exc_info = record.exc_text = None
            record.msg = f"{record.msg}: not valid HTTP ({type(error).__name__})"
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


SERVER_LOGGER = logging.getLogger("stream.http.server")
"""For `aiohttp.web.AppRunner(logger=…)`."""
SERVER_LOGGER.addFilter(_WithoutRequest())
