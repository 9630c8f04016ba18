"""Access to a real engine over HTTP: tokens, cookies, origins, TLS and rate limits."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path
from typing import Any

import pytest

from stages.free_model import FreeModel
from stream.config import Config
from stream.engine import Engine
from stream.http.endpoints.page_files import page_routes
from stream.settings.config_error import ConfigError
from support.engines.certificate import certificate
from support.engines.controlled_engine import CONTROL, OFF_LOOPBACK, PATTERN, READ, configured, running
from support.engines.invalid_requests import INVALID_REQUESTS, LONG_HEAD, UNMET, answer_to, check_plain

CAMERAS = "/api/v1/cameras"
SESSION = "/api/v1/session"
OPEN = {("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/"), ("POST", SESSION), ("DELETE", SESSION)}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_off_loopback_only_health_and_login_are_answered_without_a_token() -> None:
    async with running(configured({"id": "a", "source": PATTERN}, http=OFF_LOOPBACK)) as (engine, client):
        assert engine._http is not None
        page_files = {route.path for route in page_routes()}
        asked = [(route.method, route.path.replace("{camera}", "a")) for route in engine._http._routes]
        asked += [("GET", "/api/v1/nothing"), ("GET", "/nothing"), ("POST", CAMERAS), ("OPTIONS", CAMERAS)]
        asked += [("GET", "/%2e%2e/%2e%2e/etc/passwd"), ("TRACE", "/metrics"), ("PUT", f"{CAMERAS}/Odd")]
        assert len(asked) > 20
        for method, path in asked:
            for headers in ({}, bearer("wrong"), bearer(""), {"Cookie": "partstream_session=wrong"}):
                status, body, answered = await client.ask(method, path, json={"source": PATTERN}, headers=headers)
                if (method, path) in OPEN or path in page_files:
                    assert status != 401
                else:
                    assert (status, answered["WWW-Authenticate"]) == (401, 'Bearer realm="partstream"'), (method, path)
                    assert body["type"] == "urn:partstream:problem:unauthorised"
        told = {"alive": True, "reasons": [], "privacy": {"off": 1, "masked": 0, "skeleton": 0}}
        assert await client.get("/healthz") == told and (await client.get("/readyz")).keys() == {"ready", "reasons"}
        assert list(engine.cameras.configs) == ["a"]
        assert b'http_refused_total{reason="unauthorised"}' in engine.metrics.render()


@pytest.mark.parametrize(
    ("http", "message"),
    [
        ({"bind": "[::]:0"}, r"http\.bind: .*other hosts.*http\.read_token.*http\.control_token"),
        (
            {"tls_certificate": "/absent.pem", "tls_key": "/absent.key"},
            r"http\.tls_certificate: cannot read /absent\.pem",
        ),
        (
            {"tls_certificate": __file__, "tls_key": __file__},
            r"http\.tls_certificate, http\.tls_key: .*must be a certificate",
        ),
    ],
)
async def test_an_unsafe_server_does_not_start_and_names_the_remedy(http: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        async with Engine(configured(http=http), model=FreeModel()):
            pass


@pytest.mark.parametrize(
    "http",
    [
        {"read_token": "same", "control_token": "same"},
        {"tls_certificate": "/x.pem"},
        {"tls_key": "/x.pem"},
        {"cors_origins": ["*"]},
        {"cors_origins": ["https://a.example/path"]},
    ],
)
def test_unsafe_settings_are_refused(http: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"http"):
        Config.model_validate({"http": http})


async def test_a_page_exchanges_the_token_for_a_cookie_that_scripts_cannot_read() -> None:
    async with running(configured(http=OFF_LOOPBACK)) as (_, client):
        own = {"Origin": client.address}
        control = {"role": "control", "by": "session", "name": "control", "cameras": None}
        assert (await client.ask("POST", SESSION, json={"token": "wrong"}, headers=own))[0] == 401
        for odd in ({}, {"token": 1}, {"token": CONTROL, "more": 1}):
            assert (await client.ask("POST", SESSION, json=odd, headers=own))[0] == 422
        status, about, headers = await client.ask("POST", SESSION, json={"token": CONTROL}, headers=own)
        assert (status, about) == (200, control)
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and CONTROL not in cookie
        assert await client.get(SESSION) == control
        assert (await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}, headers=own))[0] == 201
        for foreign in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1:1"}):
            status, problem, _ = await client.ask("DELETE", f"{CAMERAS}/a", headers=foreign)
            assert (status, problem["type"]) == (403, "urn:partstream:problem:foreign-origin"), foreign
        assert (await client.ask("GET", CAMERAS, headers={"Origin": "https://evil.example"}))[0] == 403
        assert (await client.ask("DELETE", SESSION, headers=own))[0] == 204
        assert (await client.ask("GET", CAMERAS))[0] == 401


async def test_on_loopback_a_page_of_another_site_cannot_use_the_api() -> None:
    async with running(configured()) as (engine, client):
        for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
            status, _, answered = await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}, headers=headers)
            assert status == 403 and "Access-Control-Allow-Origin" not in answered
            assert (await client.ask("GET", "/api/v1/events", headers=headers))[0] == 403
        form = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}  # of a browser that sends no Origin
        assert (await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}, headers=form))[0] == 403
        for host in ("evil.example", "127.evil.example", "localho\u017ft", "localhost.evil.example"):
            assert (await client.ask("GET", CAMERAS, headers={"Host": host}))[0] == 401, host
        rebound = {"Host": "evil.example", "Origin": "http://evil.example"}
        assert (await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}, headers=rebound))[0] == 401
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
        assert (await client.ask("OPTIONS", f"{CAMERAS}/a", headers=preflight))[0] != 204
        assert not engine.cameras.configs
        own = {"Origin": client.address}
        assert (await client.ask("PUT", f"{CAMERAS}/a", json={"source": PATTERN}, headers=own))[0] == 201


async def test_on_loopback_a_page_of_another_site_cannot_embed_pictures_or_metrics() -> None:
    async with running(configured({"id": "a", "source": PATTERN}, http={"max_streams": 1})) as (_, client):
        for site in ("cross-site", "same-site"):  # the same site, at another port
            for path, kind in (("/api/v1/cameras/a/pictures", "image"), ("/metrics", "script"), (CAMERAS, "iframe")):
                told = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": kind}
                async with client.session.get(client.address + path, headers=told) as answer:
                    assert answer.status == 403, told
                    assert (await answer.json())["type"] == "urn:partstream:problem:foreign-origin"
        for told in (
            {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "image"},
            {"Sec-Fetch-Site": "none", "Sec-Fetch-Dest": "document"},
            {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"},
        ):
            assert (await client.ask("GET", CAMERAS, headers=told))[0] == 200, told


async def test_pages_of_listed_origins_may_use_the_api_with_a_token() -> None:
    wall = "https://wall.example"
    async with running(configured(http={**OFF_LOOPBACK, "cors_origins": [wall]})) as (_, client):
        preflight = {"Origin": wall, "Access-Control-Request-Method": "PUT"}
        status, _, headers = await client.ask("OPTIONS", f"{CAMERAS}/a", headers=preflight)
        assert (status, headers["Access-Control-Allow-Origin"]) == (204, wall)
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
        status, _, headers = await client.ask("GET", CAMERAS, headers={"Origin": wall} | bearer(READ))
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, wall)
        assert "Access-Control-Allow-Credentials" not in headers
        _, _, headers = await client.ask("GET", CAMERAS, headers={"Origin": "https://other.example"} | bearer(READ))
        assert "Access-Control-Allow-Origin" not in headers


async def test_too_many_requests_are_refused_except_those_for_health() -> None:
    http = {**OFF_LOOPBACK, "requests_per_second": 1e-3}
    async with running(configured(http=http), token=READ) as (_, client):
        statuses = [(await client.ask("GET", CAMERAS))[0] for _ in range(2)]
        assert statuses == [200, 429], "a burst of one request, and the next one in a thousand seconds"
        status, problem, headers = await client.ask("GET", CAMERAS)
        assert (status, problem["type"], int(headers["Retry-After"]) >= 1) == (
            429,
            "urn:partstream:problem:too-many-requests",
            True,
        )
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.ask("GET", path))[0] == 200
        status, _, _ = await client.ask("POST", SESSION, json={"token": "guess"})
        assert status == 429, "guesses count as well"


async def test_with_certificate_files_it_is_https_and_the_cookie_is_for_https_only(tmp_path: Path) -> None:
    pem, key = certificate(tmp_path)
    http = {**OFF_LOOPBACK, "tls_certificate": str(pem), "tls_key": str(key)}
    async with running(configured({"id": "a", "source": PATTERN}, http=http)) as (engine, client):
        assert engine.http_address is not None and engine.http_address.startswith("https://")
        client.address = client.address.replace("127.0.0.1", "localhost")
        trusted = ssl.create_default_context(cafile=str(pem))
        assert (await client.ask("GET", CAMERAS, ssl=trusted))[0] == 401
        assert (await client.ask("GET", CAMERAS, ssl=trusted, headers=bearer(READ)))[0] == 200
        own = {"Origin": client.address}
        _, _, headers = await client.ask("POST", SESSION, ssl=trusted, json={"token": CONTROL}, headers=own)
        assert "Secure" in headers["Set-Cookie"]
        assert (await client.ask("DELETE", f"{CAMERAS}/a", ssl=trusted, headers=own))[0] == 204
        async with client.session.get(client.address + "/api/v1/events", ssl=trusted) as answer:
            assert (await answer.content.readline()).startswith(b"retry:")


async def test_no_credential_is_in_any_response_or_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secrets = ("hunter2", READ, CONTROL)
    source = "rtsp://admin:hunter2@127.0.0.1:1/x?password=hunter2"
    async with running(configured(http=OFF_LOOPBACK)) as (_, client):
        answers = []
        for method, path, body in (
            ("PUT", f"{CAMERAS}/a", {"source": source}),
            ("PUT", f"{CAMERAS}/b", {"source": source, "max_fps": -1}),
            ("PUT", f"{CAMERAS}/c", {"source": source.replace("rtsp", "http")}),
            ("PATCH", f"{CAMERAS}/a", {"source": source + "\n"}),
            ("PATCH", f"{CAMERAS}/a", {"transport": source}),
            ("GET", f"{CAMERAS}/a", None),
            ("GET", "/api/v1/config", None),
            ("GET", "/api/v1/status", None),
            ("GET", "/metrics", None),
            ("DELETE", f"{CAMERAS}/a", None),
        ):
            answers.append((await client.ask(method, path, json=body, headers=bearer(CONTROL)))[1])
    for secret in secrets:
        assert secret not in str(answers)
        assert secret not in "".join(record.getMessage() for record in caplog.records)


async def test_answers_to_what_is_not_valid_http_repeat_nothing_and_are_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running(configured(http=OFF_LOOPBACK)) as (engine, client):
        for request in INVALID_REQUESTS.values():
            check_plain(await answer_to(client.address, request), 400)
        check_plain(await answer_to(client.address, UNMET), 417)
        check_plain(await answer_to(client.address, LONG_HEAD), 431)
        counted = f'partstream_http_refused_total{{reason="not-http"}} {len(INVALID_REQUESTS) + 1}.0'
        assert counted.encode() in engine.metrics.render()
    assert "SECRET" not in caplog.text and "Traceback" not in caplog.text
    assert [text for text in caplog.messages if "not valid HTTP" in text] == [
        "http: a request from 127.0.0.1 is not valid HTTP (BadHttpMessage)"
    ]
