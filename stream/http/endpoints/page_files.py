"""The live page's files, read at start-up and served under fixed addresses. No path is looked up on the disk.

They are open, because they contain no data. Their Content-Security-Policy limits the browser to content from this
server, whatever a camera's name or a response contains.
"""

from __future__ import annotations

from importlib import resources

from aiohttp import web

from stream.http.server.routes import Answer, Handler, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

ROOT_FILE = "index.html"


def page_routes() -> list[Route]:
    """Return the routes `/` and `/page/NAME` for each file."""
    folder = resources.files("stream.http") / "page"
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    return [
        _route("/" if name == ROOT_FILE else f"/page/{name}", body, TYPES[suffix])
        for name, body in sorted(files.items())
        if (suffix := name[name.rfind(".") :]) in TYPES
    ]


def _route(path: str, body: bytes, content_type: str) -> Route:
    summary = "The live page." if path == "/" else "A file of the live page."
    answers = (Answer(200, "The file.", None, content_type),)
    return Route("GET", path, "open", _handler(body, content_type), summary, answers, limited=False, scope="none")


def _handler(body: bytes, content_type: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return answer
