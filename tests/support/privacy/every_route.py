"""Requests to every route of an engine's OpenAPI document, whose answers are searched. An unknown route is an error."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from stream.http.server import openapi
from support.engines.controlled_engine import Client
from support.privacy.searched_bytes import Search

STREAMS = {"/api/v1/events": b"\n\n", "/api/v1/pictures": b"\xff\xd9", "/api/v1/cameras/{camera}/pictures": b"\xff\xd9"}
"""Answers that do not end, and the end of a part of each."""
PARTS = 6
QUERIES = {
    "/api/v1/pictures": ("?camera=film&width=640",),
    "/api/v1/cameras/{camera}/pictures": ("", "?width=320", "?width=1920"),
    "/api/v1/alerts/{alert}/picture": ("", "?overlay=true"),
    "/api/v1/incidents/{incident}/picture": ("", "?overlay=true"),
}
SDP = {"headers": {"Content-Type": "application/sdp"}, "data": "v=0\r\n"}
CHANGES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/v1/session"): {"json": {"token": "guess"}},
    ("DELETE", "/api/v1/session"): {},
    ("POST", "/api/v1/alerts/{alert}/acknowledge"): {},
    ("PUT", "/api/v1/incidents/{incident}/verdict"): {"json": {"verdict": "right"}},
    ("DELETE", "/api/v1/incidents/{incident}/verdict"): {},
    ("POST", "/api/v1/verdicts"): {"json": {"ids": ["a1f0c2a9b-1"], "verdict": "wrong"}},
    ("PATCH", "/api/v1/cameras/{camera}"): {"json": {"max_fps": 24}},
    ("OPTIONS", "/whep/{camera}"): {},
    ("OPTIONS", "/whip/{camera}"): {},
    ("POST", "/whep/{camera}"): SDP,
    ("POST", "/whip/{camera}"): SDP,
    ("DELETE", "/whep/{camera}/{session}"): {},
    ("DELETE", "/whip/{camera}/{session}"): {},
    ("PUT", "/api/v1/cameras/{camera}"): {"json": {"source": "nonsense"}},
    ("DELETE", "/api/v1/cameras/{camera}"): {},
}
"""Every request that changes something, in this order, after the first round of all others."""


async def ask_every_route(client: Client, search: Search, known: dict[str, list[str]]) -> set[tuple[str, str]]:
    """Search the answers of every route, and return the routes. `known`: the values of the parameters in paths."""
    paths = (await client.get(openapi.PATH))["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods if method != "parameters"}
    readable = sorted(path for method, path in routes if method == "GET")
    changes = routes - {("GET", path) for path in readable}
    assert not (unlike := changes ^ set(CHANGES)), f"cover each new route here: {unlike}"
    for path in readable:
        await _read(client, search, path, known)
    for method, path in CHANGES:
        for url in _filled(path, known)[:1]:
            await _ask(client, search, method, path, url, **CHANGES[method, path])
    return routes


async def _read(client: Client, search: Search, path: str, known: dict[str, list[str]]) -> None:
    for url in _filled(path, known):
        for query in QUERIES.get(path, ("",)):
            await _ask(client, search, "GET", path, url + query)


async def _ask(client: Client, search: Search, method: str, path: str, url: str, **options: Any) -> None:
    end = STREAMS.get(path)
    async with client.session.request(method, client.address + url, **options) as answer:
        if end is None or answer.status != 200:
            body = await answer.read()
        else:
            body = b""
            while body.count(end) < PARTS:
                body += await answer.content.readany()
        headers = repr(answer.headers).encode()
    await asyncio.to_thread(search.look, f"{method} {path}", body + headers)


def _filled(path: str, known: dict[str, list[str]]) -> list[str]:
    """Return the path with every value of its parameters."""
    found = [path]
    for name in re.findall(r"{(\w+)}", path):
        found = [one.replace(f"{{{name}}}", value) for one in found for value in known[name]]
    return found
