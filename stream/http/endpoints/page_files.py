"""The files of the live page and of the review page, read at start-up and served under fixed addresses.

No path is looked up on the disk.

They are open, because they contain no data. Their Content-Security-Policy limits the browser to content from this
server, whatever a camera's name or a response contains.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable

from aiohttp import web

from stream.http.server.routes import Answer, Handler, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

ROOT_FILE = "index.html"
REVIEW = "review"
"""The folder of the review page, and its address."""
_FOLDER = resources.files("stream.http") / "page"


def page_routes() -> list[Route]:
    """Return the routes `/`, `/review`, and `/page/NAME` for each other file."""
    return [*live_page_files(), *file_routes(_FOLDER / REVIEW, f"/{REVIEW}", f"/page/{REVIEW}/")]


def live_page_files() -> list[Route]:
    """Return the routes of the live page: `/`, and `/page/NAME` for each other file."""
    return file_routes(_FOLDER, "/", "/page/")


def file_routes(folder: Traversable, root: str, others: str) -> list[Route]:
    """Return a route for each file of a page: `root` for `index.html`, and `others` with its name for each other."""
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}
    return [
        _route(root if name == ROOT_FILE else others + name, body, TYPES[suffix])
        for name, body in sorted(files.items())
        if (suffix := name[name.rfind(".") :]) in TYPES
    ]


def _route(path: str, body: bytes, content_type: str) -> Route:
    summary = {"/": "The live page.", f"/{REVIEW}": "The review page."}.get(path, "A file of a page.")
    answers = (Answer(200, "The file.", None, content_type),)
    handler = _handler(body, content_type)
    return Route("GET", path, "open", handler, answers, summary, limited=False, scope="none")


def _handler(body: bytes, content_type: str) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return answer
