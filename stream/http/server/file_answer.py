"""FileAnswer: a file as the answer of a long-lived route."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter


class FileAnswer(web.FileResponse):
    """A file that its handler sends, with `prepare`: what a handler only returns is sent later, when it counts as no
    stream any more, and is cut like any short answer."""

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None if self.prepared else await super().prepare(request)
