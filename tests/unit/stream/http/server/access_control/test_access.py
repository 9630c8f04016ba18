"""Bind addresses and access control of the HTTP server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.http.server.access_control.access import (
    NOBODY,
    Access,
    Caller,
    allows,
    configured_grants,
    names_loopback,
    same_origin,
)
from stream.http.server.access_control.needed_tokens import check_tokens
from stream.http.server.access_control.tokens import Grant, Role, digest_of, find
from stream.http.server.bind_address import BindAddress, resolve
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9090", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:9090"])
def test_a_host_header_that_names_this_machine_is_recognised(host: str) -> None:
    assert names_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "[::2]:80",
        "[",
        ":",
        "\x00",
        "::1",
        " 127.0.0.1 ",
        "localhost:80@evil.example",
    ],
)
def test_any_other_host_header_is_not(host: str) -> None:
    assert not names_loopback(host)


def with_tokens(trust_loopback: bool, read: str = "", control: str = "") -> Access:
    return Access(trust_loopback, configured_grants(read, control))


def role(access: Access, host: str, authorization: str = "") -> Role | None:
    return access.caller(host, authorization, None, 0).role


def test_on_loopback_a_request_by_loopback_name_needs_no_token() -> None:
    assert role(with_tokens(True), "localhost:9090") == "control"
    assert role(with_tokens(True, "secret"), "127.0.0.1:9090") == "control"


def test_on_loopback_another_host_name_needs_the_token() -> None:
    assert role(with_tokens(True, "secret"), "engine.example") is None
    assert role(with_tokens(True, "secret"), "engine.example", "Bearer secret") == "read"
    assert role(with_tokens(True, ""), "engine.example", "Bearer ") is None


def test_on_loopback_a_token_that_is_sent_counts_and_a_wrong_one_is_refused() -> None:
    access = with_tokens(True, "reader")
    assert role(access, "localhost", "Bearer reader") == "read"
    assert role(access, "localhost", "Bearer nonsense") is None
    assert role(access, "localhost", "Basic bmFtZTp3b3Jk") == "control"
    session = access.find("reader", 0)
    assert access.caller("localhost", "", session, 0).by == "session"


def test_on_loopback_a_forwarded_request_needs_the_token() -> None:
    access = with_tokens(True, "reader")
    assert access.caller("localhost", "", None, 0, forwarded=True) == NOBODY
    assert access.caller("localhost", "Bearer reader", None, 0, forwarded=True).role == "read"


def test_elsewhere_even_a_loopback_host_header_needs_the_token() -> None:
    access = with_tokens(False, "secret")
    assert role(access, "localhost") is None
    assert role(access, "localhost", "Bearer secret") == "read"


def test_the_control_token_reads_too_and_the_read_token_controls_nothing() -> None:
    access = with_tokens(False, "reader", "keeper")
    assert role(access, "h", "Bearer keeper") == "control"
    assert role(access, "h", "Bearer reader") == "read"
    assert allows("control", "read") and allows("control", "control") and allows("read", "read")
    assert not allows("read", "control") and not allows(None, "read") and allows(None, "open")


def test_each_role_includes_those_before_it() -> None:
    roles: tuple[Role, ...] = ("read", "review", "control")
    for rank, given in enumerate(roles):
        assert [allows(given, needs) for needs in roles] == [place <= rank for place in range(3)]


def test_a_caller_sees_the_cameras_of_its_list_and_a_caller_without_a_token_none() -> None:
    assert Caller("read", "token", "a", None).sees("door")
    listed = Caller("read", "token", "a", frozenset({"door"}))
    assert listed.sees("door") and not listed.sees("hall")
    assert not NOBODY.sees("door")


def test_a_session_is_used_if_no_valid_token_is_given() -> None:
    access = with_tokens(False, "reader", "keeper")
    session = access.find("keeper", 0)
    assert access.caller("h", "Bearer wrong", session, 0) == Caller("control", "session", "control", None)
    assert access.caller("h", "Bearer reader", session, 0) == Caller("read", "token", "read", None)
    assert access.caller("h", "", None, 0) == NOBODY


def test_a_session_is_not_used_once_its_token_grants_something_else() -> None:
    grant = Grant("anna", "control", None, digest_of("a"), expires_us=100)
    assert Access(False, [grant]).caller("h", "", grant, 99).name == "anna"
    assert Access(False, [grant]).caller("h", "", grant, 100) == NOBODY
    for changed in (
        replace(grant, role="read"),
        replace(grant, cameras=frozenset({"door"})),
        replace(grant, digest=digest_of("b")),
        replace(grant, expires_us=None),
    ):
        assert Access(False, [changed]).caller("h", "", grant, 99) == NOBODY


def test_an_expired_token_is_unknown() -> None:
    access = Access(False, [Grant("anna", "read", None, digest_of("a"), expires_us=100)])
    assert role(access, "h", "Bearer a") == "read"
    assert access.caller("h", "Bearer a", None, 100) == NOBODY


def test_all_tokens_are_compared_wherever_the_right_one_is(monkeypatch: pytest.MonkeyPatch) -> None:
    grants = [Grant(name, "read", None, digest_of(name)) for name in "abcde"]
    compared: list[bytes] = []
    monkeypatch.setattr("hmac.compare_digest", lambda given, other: bool(compared.append(other)) or given == other)
    for given in ("a", "e", "none of them"):
        compared.clear()
        find(grants, given, 0)
        assert compared == [grant.digest for grant in grants]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Basic secret",
        "secret",
        "Bearer sécret",
        "Bearer \udcff",
        "Bearer secret x",
    ],
)
def test_a_wrong_or_odd_authorization_is_refused(header: str) -> None:
    assert role(with_tokens(False, "secret"), "engine.example", header) is None


def test_no_token_is_never_a_token() -> None:
    assert with_tokens(False, "secret", "").find("", 0) is None
    of_nothing = Grant("a", "control", None, digest_of(""))
    assert Access(False, [of_nothing]).find("", 0) is None


def test_the_scheme_is_read_in_any_case_and_the_token_is_not_shown() -> None:
    access = with_tokens(False, "secret", "more-secret")
    assert role(access, "", "bearer secret") == "read"
    assert "secret" not in repr(access)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://127.0.0.1:9090", "127.0.0.1:9090", True),
        ("https://engine.example", "Engine.example", True),
        ("http://localhost:9090", "127.0.0.1:9090", False),
        ("https://engine.example:8443", "engine.example", False),
        ("https://evil.example", "engine.example", False),
        ("null", "null", False),
        ("file://", "", False),
        ("http://", "", False),
        ("", "", False),
    ],
)
def test_an_origin_is_the_servers_own_only_if_it_names_the_same_host_and_port(
    origin: str, host: str, same: bool
) -> None:
    assert same_origin(origin, host) is same


@pytest.mark.parametrize(
    ("bind", "expected"),
    [
        ("127.0.0.1:9090", BindAddress("127.0.0.1", 9090, True)),
        ("localhost:0", BindAddress("127.0.0.1", 0, True)),
        ("[::1]:9090", BindAddress("::1", 9090, True)),
        ("0.0.0.0:9090", BindAddress("0.0.0.0", 9090, False)),
        ("[::]:9090", BindAddress("::", 9090, False)),
        ("10.1.2.3:80", BindAddress("10.1.2.3", 80, False)),
    ],
)
def test_an_address_is_resolved_and_judged(bind: str, expected: BindAddress) -> None:
    assert resolve(bind) == expected


def test_an_address_prints_as_it_is_written_in_a_url() -> None:
    assert str(BindAddress("::1", 80, True)) == "[::1]:80"
    assert str(BindAddress("127.0.0.1", 80, True)) == "127.0.0.1:80"


@pytest.mark.parametrize(
    ("bind", "fault"), [("127.0.0.1:70000", "no port 70000"), ("no-such-host.invalid:80", "unknown host")]
)
def test_an_invalid_address_is_refused_by_name(bind: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=rf"http\.bind.*{fault}"):
        resolve(bind)


@pytest.mark.parametrize("token", ["x", "fifteen bytes !"])
@pytest.mark.parametrize("name", ["read_token", "control_token"])
def test_a_token_that_could_be_guessed_is_refused_where_other_hosts_can_send_it(name: str, token: str) -> None:
    good = {"read_token": "reads-0123456789", "control_token": "controls-0123456789"}
    for bind in ("0.0.0.0:9090", "[::]:9090", "10.1.2.3:80"):
        check_tokens(HttpConfig.model_validate({"bind": bind, **good}), resolve(bind))
        config = HttpConfig.model_validate({"bind": bind, **good, name: token})
        with pytest.raises(ConfigError, match=rf"^http\.{name}: .* fewer than 16 bytes") as caught:
            check_tokens(config, resolve(bind))
        assert token not in str(caught.value).replace("fewer", "").split()
    check_tokens(HttpConfig.model_validate({"bind": "127.0.0.1:9090", name: token}), resolve("127.0.0.1:9090"))
