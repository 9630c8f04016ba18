"""A file as the response of a long-lived route."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


class FileAnswer(web.FileResponse):
    """A file that the handler itself sends, by calling `prepare`.

    aiohttp would send it after the handler has returned. It would then no longer count as a stream, and would be cut
    like a short response.
    """

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None if self.prepared else await super().prepare(request)
