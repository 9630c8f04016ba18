"""Who sent a request: by token, session or place; the tokens file; sessions; rates; and addresses to bind to."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream.http.server import auth
from stream.http.server.auth import (
    NOBODY,
    SESSIONS_OF_GRANT,
    Access,
    Caller,
    Credentials,
    Grant,
    RateLimiter,
    Role,
    Sessions,
    TokensFile,
    allows,
    check_tokens,
    configured_grants,
    digest_of,
    names_loopback,
    same_origin,
)
from stream.http.server.bind_address import BindAddress, resolve
from stream.settings.config_error import ConfigError
from stream.settings.network import HttpConfig
from support.listed_tokens import listed, secret_of, write_tokens

IN_2027_US = 1_798_761_600_000_000
ANNA = Grant("anna", "control", None, digest_of("a"), expires_us=100)


def with_tokens(trust_loopback: bool, read: str = "", control: str = "") -> Access:
    config = HttpConfig.model_validate({"read_token": read, "control_token": control})
    return Access(configured_grants(config), trust_loopback=trust_loopback)


def role(access: Access, host: str, authorization: str = "", **more: Any) -> Role | None:
    return access.caller(Credentials(host, authorization, **more), 0).role


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:9090", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:9090"])
def test_a_host_header_that_names_this_machine_is_recognised(host: str) -> None:
    assert names_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::2]:80",
        " 127.0.0.1 ",
        "localhost:80@evil.example",
        "evil.example@localhost",
        "localhost, evil.example",
        "localhost:٨٠",
        "localhost\n",
    ],
)
def test_any_other_host_header_is_not(host: str) -> None:
    assert not names_loopback(host)


def test_on_loopback_no_token_is_needed_unless_another_host_is_named_or_a_proxy_forwards() -> None:
    access = with_tokens(True, "reader")
    assert role(access, "localhost:9090") == "control"
    assert role(access, "engine.example") is None
    assert role(access, "engine.example", "Bearer reader") == "read"
    assert role(access, "localhost", forwarded=True) is None
    assert role(access, "localhost", "Bearer reader") == "read", "a token that is sent counts"
    assert role(access, "localhost", "Bearer nonsense") is None
    assert role(access, "localhost", "Basic bmFtZTp3b3Jk") == "control"


def test_elsewhere_a_token_is_needed_and_the_control_token_reads_too() -> None:
    access = with_tokens(False, "reader", "keeper")
    assert role(access, "localhost") is None
    assert (role(access, "h", "Bearer keeper"), role(access, "h", "bearer reader")) == ("control", "read")
    roles: tuple[Role, ...] = ("view", "read", "review", "control")
    for rank, given in enumerate(roles):
        assert [allows(given, needs) for needs in roles] == [place <= rank for place in range(4)]
    assert not allows(None, "view") and allows(None, "open")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic secret", "secret", "Bearer \udcff", "Bearer secret x"]
)
def test_a_wrong_or_odd_authorization_is_refused(header: str) -> None:
    access = with_tokens(False, "secret", "")
    assert role(access, "engine.example", header) is None and access.find("", 0) is None
    assert Access([Grant("a", "control", None, digest_of(""))]).find("", 0) is None


def test_a_session_is_used_while_its_token_grants_the_same() -> None:
    access = Access([ANNA])
    cookie = access.sessions.begin(ANNA, 0)
    assert access.caller(Credentials("h", "Bearer wrong", cookie), 99) == Caller("control", "session", "anna", None)
    assert access.caller(Credentials("h", "", cookie), 100) == NOBODY, "the token has expired"
    for changed in (
        replace(ANNA, role="read"),
        replace(ANNA, cameras=frozenset({"door"})),
        replace(ANNA, digest=digest_of("b")),
        replace(ANNA, expires_us=None),
    ):
        access = Access([changed])
        cookie = access.sessions.begin(ANNA, 0)
        assert access.caller(Credentials("h", "", cookie), 99) == NOBODY


def test_sessions_expire_and_many_of_one_token_end_none_of_another() -> None:
    sessions, ben = Sessions(life_s=10.0), replace(ANNA, name="ben")
    of_anna = sessions.begin(ANNA, 0)
    assert sessions.grant(of_anna, 9_999_999) == ANNA and sessions.grant(of_anna, 10_000_000) is None
    of_ben = [sessions.begin(ben, 0) for _ in range(300)]
    assert [sessions.grant(secret, 1) is not None for secret in of_ben] == [False] * (300 - SESSIONS_OF_GRANT) + [
        True
    ] * SESSIONS_OF_GRANT
    assert sessions.grant(of_anna, 1) == ANNA
    sessions.end(of_anna)
    sessions.end("\udcff")
    assert sessions.grant(of_anna, 1) is None


def test_an_address_may_send_twice_its_rate_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    limiter = RateLimiter(10.0)
    assert [limiter.take("10.0.0.1", 0.0) for _ in range(20)] == [0.0] * 20
    assert limiter.take("10.0.0.1", 0.0) == pytest.approx(0.1)
    assert limiter.take("10.0.0.1", 0.05) > 0 and limiter.take("10.0.0.1", 0.15) == 0.0
    monkeypatch.setattr(auth, "ADDRESSES", 2)
    assert [limiter.take(f"10.0.0.{host}", 0.15) for host in (2, 3, 1)] == [0.0] * 3, (
        "each has its own; one is forgotten"
    )


def test_a_token_has_the_role_and_the_cameras_that_the_file_gives_it(tmp_path: Path) -> None:
    given = listed("anna", "review", ["hall", "door"]), listed("admin", "control", expires="2027-01-01")
    file = TokensFile(write_tokens(tmp_path / "tokens.yaml", *given), {})
    access = Access(file=file)
    anna, admin = access.find(secret_of("anna"), 0), access.find(secret_of("admin"), IN_2027_US - 1)
    assert anna is not None and (anna.name, anna.role, anna.cameras) == ("anna", "review", {"hall", "door"})
    assert admin is not None and (admin.role, admin.cameras) == ("control", None)
    assert access.find(secret_of("admin"), IN_2027_US) is None
    assert digest_of(secret_of("anna")).hex() not in repr(anna)


@pytest.mark.parametrize("written", ["2027-01-01T00:00:00Z", "2027-01-01", "2026-12-31 14:00-10:00"])
def test_a_date_is_its_beginning_in_utc(tmp_path: Path, written: str) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("a", expires=written))
    (grant,) = TokensFile(path, {}).grants.values()
    assert grant.expires_us == IN_2027_US


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([listed("a", "rule")], r"tokens\.0\.right: must be 'look', 'review' or 'control'"),
        ([listed("a", cameras=["Hall"])], r"tokens\.0\.cameras"),
        ([listed("control")], r"control is the name of a caller that is not in this file"),
        ([listed("a", expires="2027-13-1 9:00:00")], r"tokens\.0\.expires: '2027-13-1 9:00:00' is not a date or time"),
        ([listed("a", expire="2027-01-01")], r"did you mean `expires`"),
        ([listed("a"), listed("b") | {"name": "a"}], r"two have the same name a"),
        ([listed("a"), listed("a") | {"name": "b"}], r"two have the same sha256"),
        ([listed("a") | {"sha256": "secret"}], r"tokens\.0\.sha256"),
        ([listed("known")], r"token known is the same as http\.read_token"),
    ],
)
def test_a_mistake_is_named_by_its_field_and_no_digest_is_shown(
    tmp_path: Path, tokens: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        others = {digest_of(secret_of("known")): "http.read_token"}
        TokensFile(write_tokens(tmp_path / "tokens.yaml", *tokens), others)
    assert str(caught.value).startswith("http.tokens_file: ")
    assert digest_of(secret_of("a")).hex() not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o620])
def test_a_file_that_others_can_read_or_write_or_that_is_none_is_refused(tmp_path: Path, mode: int) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("a"))
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        TokensFile(path, {})
    os.mkfifo(tmp_path / "pipe", 0o600)
    for other in (tmp_path / "missing", tmp_path / "pipe"):
        with pytest.raises(ConfigError, match=r"http\.tokens_file: .*(can't be read|is not a file)"):
            TokensFile(other, {})


async def test_a_change_applies_once_the_file_is_the_same_twice_and_a_mistake_does_not(tmp_path: Path) -> None:
    path = write_tokens(tmp_path / "tokens.yaml", listed("anna"))
    file = TokensFile(path, {})

    def names() -> list[str]:
        return [grant.name for grant in file.grants.values()]

    write_tokens(path, listed("ben"))
    await file.look()
    assert names() == ["anna"]
    await file.look()
    assert names() == ["ben"]
    for spoil in (lambda: path.write_text("tokens: {"), lambda: path.unlink()):
        spoil()
        for _ in range(3):
            await file.look()
        assert file.error is not None and names() == ["ben"]
    write_tokens(path)
    for _ in range(2):
        await file.look()
    assert (file.error, names()) == (None, [])


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
        ("localhost:0", BindAddress("127.0.0.1", 0, True)),
        ("[::1]:9090", BindAddress("::1", 9090, True)),
        ("0.0.0.0:9090", BindAddress("0.0.0.0", 9090, False)),
        ("10.1.2.3:80", BindAddress("10.1.2.3", 80, False)),
    ],
)
def test_an_address_is_resolved_and_judged(bind: str, expected: BindAddress) -> None:
    assert resolve(bind) == expected


@pytest.mark.parametrize(
    ("bind", "fault"),
    [
        ("127.0.0.1:70000", "no port 70000"),
        ("no-such-host.invalid:80", "unknown host"),
        ("9090", "'9090' is not HOST:PORT"),
        ("localhost:http", "'localhost:http' is not HOST:PORT"),
    ],
)
def test_an_invalid_address_is_refused_by_name(bind: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=rf"http\.bind.*{fault}"):
        resolve(bind)


def test_where_other_hosts_can_reach_it_a_token_is_needed_that_cannot_be_guessed() -> None:
    good = {"bind": "0.0.0.0:9090", "read_token": "reads-0123456789", "control_token": "controls-0123456789"}
    other, here = resolve("0.0.0.0:9090"), resolve("127.0.0.1:9090")
    check_tokens(HttpConfig.model_validate(good), other)
    for token in (None, ""):
        config = HttpConfig.model_validate({"bind": "0.0.0.0:9090", "read_token": token})
        with pytest.raises(ConfigError, match=r"http\.bind: .*0\.0\.0\.0:9090.* set http\.read_token .*127\.0\.0\.1"):
            check_tokens(config, other)
        check_tokens(config, here)
    for name in ("read_token", "control_token"):
        config = HttpConfig.model_validate({**good, name: "fifteen bytes !"})
        with pytest.raises(ConfigError, match=rf"^http\.{name}: .* fewer than 16 bytes"):
            check_tokens(config, other)
        check_tokens(config, here)
