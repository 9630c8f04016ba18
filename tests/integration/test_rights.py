"""Tokens for some cameras and with some rights: what their owners get from a real engine, and what they do not.

The requests are made from the OpenAPI document, so that a new route is asked too. One whose path or body has a new kind
of value fails until `values` or `BODIES` has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.http.server import openapi
from support.engines.controlled_engine import PATTERN
from support.engines.shared_engine import HIDDEN, SEEN, Shared, shared_engine
from support.listed_tokens import bearer, secret_of
from support.waiting import until

SDP = {"Content-Type": "application/sdp"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("put", "/api/v1/cameras/{camera}"): {"json": {"source": PATTERN}},
    ("patch", "/api/v1/cameras/{camera}"): {"json": {"max_fps": 3}},
    ("delete", "/api/v1/cameras/{camera}"): {},
    ("post", "/api/v1/alerts/{alert}/acknowledge"): {},
    ("put", "/api/v1/incidents/{incident}/verdict"): {"json": {"verdict": "right"}},
    ("delete", "/api/v1/incidents/{incident}/verdict"): {},
    ("post", "/api/v1/verdicts"): {"json": {"ids": ["00000000-1"], "verdict": "really", "truth": "sit"}},
    ("post", "/whip/{camera}"): {"data": b"v=0", "headers": SDP},
    ("post", "/whep/{camera}"): {"data": b"v=0", "headers": SDP},
    ("delete", "/whip/{camera}/{session}"): {},
    ("delete", "/whep/{camera}/{session}"): {},
    ("post", "/api/v1/session"): {"json": {"token": secret_of("viewer")}},
    ("delete", "/api/v1/session"): {},
}
"""What is sent with each request that changes something."""
QUERIES = {
    "/api/v1/pictures": [f"?camera={SEEN}&camera={HIDDEN}&width=160"],
    "/api/v1/events": ["", f"?camera={HIDDEN}&camera={SEEN}", "?kind=stats"],
    "/api/v1/alerts": ["", f"?camera={HIDDEN}", "?limit=1"],
    "/api/v1/incidents": ["", f"?camera={HIDDEN}", f"?camera={SEEN}&camera={HIDDEN}", "?limit=1"],
    "/api/v1/incidents/timeline": ["?from=0&to=9000000000000000"],
    "/api/v1/clips": ["", f"?camera={HIDDEN}", "?limit=1"],
}
"""The queries with which a route is asked; others are asked with none."""
STREAMS = {"/api/v1/pictures", "/api/v1/events", "/api/v1/cameras/{camera}/pictures"}
ENOUGH_BYTES, FEW_BYTES = 15_000, 3_000
"""Of a stream: enough for messages of all cameras; statistics contain all of them."""
RANKS = ["open", "view", "read", "review", "control"]


def values(shared: Shared, camera: str) -> dict[str, str]:
    """Return what stands for a camera in paths; of a camera that does not exist, values of the same form."""
    return {
        "camera": camera,
        "alert": shared.alerts.get(camera, "00000000-1"),
        "incident": shared.alerts.get(camera, "00000000-1"),
        "clip": shared.clips.get(camera, "20000101T000000000Z_none_fall"),
        "session": "none",
    }


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield each operation of the document: its method, path and description."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield method, path, described


async def answered(shared: Shared, token: str, method: str, path: str, filled: str) -> tuple[int, bytes]:
    """Return the status and everything that a response contains; of a stream, enough to hold data of all cameras."""
    sent: dict[str, Any] = BODIES[method, path] if method not in ("get", "options") else {}
    options: dict[str, Any] = {**sent, "headers": {**sent.get("headers", {}), **bearer(token)}}
    async with shared.client.session.request(method, shared.client.address + filled, **options) as answer:
        content = str(answer.headers).encode()
        if path in STREAMS and answer.status == 200:
            while len(content) < (FEW_BYTES if "stats" in filled else ENOUGH_BYTES):
                content += await answer.content.readany()
        else:
            content += await answer.read()
        return answer.status, content


def same_form(content: bytes, of: dict[str, str]) -> bytes:
    """Return a response without the values that the request named, and without its time."""
    for value in sorted(of.values(), key=len, reverse=True):
        content = content.replace(value.encode(), b"VALUE")
    return re.sub(rb"'Date': '[^']*'|'Content-Length': '[^']*'", b"", content)


async def test_a_viewer_sees_only_its_cameras_in_every_answer(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        document = await shared.client.ask("GET", openapi.PATH, headers=bearer("admin"))
        asked = 0
        for method, path, described in operations(document[1]):
            names = re.findall(r"{(\w+)}", path)
            if method not in ("get", "options") or names:
                continue
            for query in QUERIES.get(path, [""]):
                status, content = await answered(shared, "viewer", method, path, path + query)
                expected = 403 if described["x-scope"] == "whole" else 200
                assert status == expected, (method, path, status, content)
                assert HIDDEN.encode() not in content, (method, path + query)
                if path in (*QUERIES, "/api/v1/status", "/api/v1/rules") and not re.search("=1|from=", query):
                    asked += 1
                    assert (SEEN.encode() in content) is (query != f"?camera={HIDDEN}"), path + query
                    _, whole = await answered(shared, "admin", method, path, path + query)
                    assert HIDDEN.encode() in whole, "the same search finds it with a token for all cameras"
        assert asked >= 9
        names = {name for path in document[1]["paths"] for name in re.findall(r"{(\w+)}", path)}
        assert names <= values(shared, SEEN).keys()


async def test_ids_and_statistics_do_not_tell_what_begins_at_other_cameras(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        own, other = shared.alerts[SEEN].split("-"), shared.alerts[HIDDEN].split("-")
        assert own[0] != other[0] and own[1] == other[1] == "1", "each camera counts for itself"
        path = "/api/v1/events"
        for token, told in (("viewer", b'"open_alerts":null'), ("admin", b'"open_alerts":[')):
            _, content = await answered(shared, token, "get", path, path + "?kind=stats")
            assert told in content, token


@pytest.mark.parametrize("token", ["viewer", "keeper"])
async def test_a_hidden_camera_is_answered_for_like_one_that_does_not_exist(tmp_path: Path, token: str) -> None:
    async with shared_engine(tmp_path) as shared:
        _, document, _ = await shared.client.ask("GET", openapi.PATH, headers=bearer("admin"))
        compared = 0
        for method, path, described in operations(document):
            if described["x-scope"] != "camera":
                continue
            answers = []
            for camera in (HIDDEN, "nowhere"):
                of = values(shared, camera)
                status, content = await answered(shared, token, method, path, path.format(**of))
                answers.append((status, same_form(content, of)))
            compared += 1
            assert answers[0] == answers[1], (method, path)
            refused = token == "viewer" and RANKS.index(described["x-needs"]) > RANKS.index("read")
            assert answers[0][0] == (403 if refused else 404), (method, path, answers)
        assert compared >= 16
        hidden = shared.engine.cameras.configs[HIDDEN]
        assert (hidden.max_fps, str(hidden.source)) == (None, "pattern:200x100@25")
        alerts = shared.engine.alerts.entries(HIDDEN, only_open=False, limit=9)
        assert alerts and not any(entry.acknowledged_us for entry in alerts)


async def test_each_right_permits_what_it_includes_and_nothing_else(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        _, document, _ = await shared.client.ask("GET", openapi.PATH, headers=bearer("admin"))
        for token, role in (("viewer", "read"), ("reviewer", "review"), ("keeper", "control")):
            for method, path, described in operations(document):
                if path in STREAMS or described["x-scope"] == "whole" or path == "/api/v1/cameras/{camera}":
                    continue
                filled = path.format(**values(shared, SEEN))
                status, content = await answered(shared, token, method, path, filled)
                permitted = RANKS.index(role) >= RANKS.index(described["x-needs"])
                assert (status == 403) is not permitted, (token, method, path, content)
                assert status < 500, (token, method, path, content)
            alert = shared.alerts[SEEN]
            entries = shared.engine.alerts.entries(SEEN, only_open=False, limit=99)
            acknowledged = {entry.alert for entry in entries if entry.acknowledged_us}
            assert (alert in acknowledged) is (token != "viewer")
        for token in ("viewer", "reviewer"):
            for method, options in (("PATCH", {"json": {"max_fps": 3}}), ("DELETE", {})):
                path = f"/api/v1/cameras/{SEEN}"
                assert (await shared.client.ask(method, path, headers=bearer(token), **options))[0] == 403
        whole = [path for _, path, described in operations(document) if described["x-scope"] == "whole"]
        assert len(whole) == 3
        for path in whole:
            status, body, _ = await shared.client.ask("GET", path.format(recording="x"), headers=bearer("keeper"))
            assert (status, "not-your-camera" in str(body)) == (403, True)
        assert b'http_refused_total{reason="not-your-camera"}' in shared.engine.metrics.render()


async def test_counts_and_rules_tell_nothing_of_hidden_cameras(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        ask = shared.client.ask
        views = {token: (await ask("GET", "/api/v1/rules", headers=bearer(token)))[1] for token in ("viewer", "admin")}
        assert views["viewer"]["rules"].keys() == {"visitor", "both"}
        assert views["viewer"]["rules"]["both"]["cameras"] == [SEEN]
        assert (views["viewer"]["file"], views["viewer"]["warnings"]) == (None, [])
        assert views["admin"]["rules"].keys() == {"visitor", "both", "below"} and views["admin"]["warnings"]
        for token, count in (("viewer", 2), ("admin", 5)):
            assert (await ask("GET", "/api/v1/alerts?state=open", headers=bearer(token)))[1]["open"] == count
        (tmp_path / "rules.yaml").write_text(f"rules: {{{HIDDEN}: {{zone: 1}}}}")
        await until(lambda: shared.engine.rules.error)
        _, view, _ = await ask("GET", "/api/v1/rules", headers=bearer("viewer"))
        assert view["error"] and HIDDEN not in str(view)


async def test_a_token_controls_its_cameras_and_creates_no_other(tmp_path: Path) -> None:
    async with shared_engine(tmp_path) as shared:
        path, headers = "/api/v1/cameras/", bearer("keeper")
        ask = shared.client.ask
        assert (await ask("PUT", path + "another", json={"source": PATTERN}, headers=headers))[0] == 404
        assert (await ask("PUT", path + f"%63{HIDDEN[1:]}", json={"source": PATTERN}, headers=headers))[0] == 404
        assert (await ask("PATCH", path + SEEN, json={"max_fps": 3}, headers=headers))[0] == 200
        assert (await ask("DELETE", path + SEEN, headers=headers))[0] == 204
        assert (await ask("PUT", path + SEEN, json={"source": PATTERN}, headers=headers))[0] == 201
        named = await ask("PUT", path + SEEN, json={"id": HIDDEN, "source": PATTERN}, headers=headers)
        assert named[0] == 422
        assert list(shared.engine.cameras.configs) == [HIDDEN, SEEN]


async def test_one_token_has_at_most_half_of_the_streams(tmp_path: Path) -> None:
    async with shared_engine(tmp_path, max_streams=5) as shared:
        path, get = shared.client.address + "/api/v1/events", shared.client.session.get
        streams = [await get(path, headers=bearer(token)) for token in ("viewer", "viewer", "admin")]
        refused = await shared.client.ask("GET", "/api/v1/events", headers=bearer("viewer"))
        assert (refused[0], refused[1]["type"]) == (503, "urn:partstream:problem:too-many-streams")
        streams.append(await get(path, headers=bearer("admin")))
        assert [stream.status for stream in streams] == [200] * 4
        for stream in streams:
            stream.close()
