"""The files of the live page and of the review page, read at start-up and served under fixed addresses.

No path is looked up on the disk.

They are open, because they contain no data. Their Content-Security-Policy limits the browser to scripts and content of
this server, whatever a camera's name or a response contains; a fleet's page may connect to other servers, too.
"""

from __future__ import annotations

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePath

from aiohttp import web

from stream.http.server.routes import Answer, Route

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "
    "connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
FLEET_POLICY = POLICY.replace("connect-src 'self'", "connect-src 'self' http: https:")
"""Engines are at any address, and new ones join while the page is open."""

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

ROOT_FILE = "index.html"
REVIEW = "review"
"""The folder of the review page, and its address."""
_FOLDER = resources.files("stream.http") / "page"


def page_routes() -> list[Route]:
    """Return the routes `/`, `/review`, and `/page/NAME` for each other file."""
    live, review = _files(_FOLDER, "/", "/page/"), _files(_FOLDER / REVIEW, f"/{REVIEW}", f"/page/{REVIEW}/")
    return [_route(path, file, POLICY) for path, file in (live | review).items()]


def fleet_page_routes(folder: Traversable) -> list[Route]:
    """Return the routes of a fleet's live page: an engine's, with the files of this folder in place of some."""
    files = _files(_FOLDER, "/", "/page/") | _files(folder, "/", "/page/")
    return [_route(path, file, FLEET_POLICY) for path, file in files.items()]


def _files(folder: Traversable, root: str, others: str) -> dict[str, Traversable]:
    """Return the files of a page by address: `root` for `index.html`, and `others` with its name for each other."""
    files = {file.name: file for file in folder.iterdir() if file.is_file()}
    return {root if name == ROOT_FILE else others + name: file for name, file in sorted(files.items())}


def _route(path: str, file: Traversable, policy: str) -> Route:
    summary = {"/": "The live page.", f"/{REVIEW}": "The review page."}.get(path, "A file of a page.")
    body, content_type = file.read_bytes(), TYPES[PurePath(file.name).suffix]

    async def answer(request: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    answers = (Answer(200, "The file.", None, content_type),)
    return Route("GET", path, "open", answer, answers, summary, limited=False, scope="none")
