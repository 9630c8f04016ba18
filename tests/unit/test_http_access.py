"""Where the HTTP server may listen and who may read the protected page: pure decisions."""

from __future__ import annotations

import pytest

from stream.config import ConfigError
from stream.http.access import Access, names_loopback
from stream.http.bind_address import BindAddress, resolve


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9090", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:9090", " 127.0.0.1 "]
)
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
    ],
)
def test_any_other_host_header_is_not(host: str) -> None:
    assert not names_loopback(host)


def test_on_loopback_a_request_by_loopback_name_needs_no_token() -> None:
    assert Access("loopback", "").refusal("localhost:9090", "") is None
    assert Access("loopback", "secret").refusal("127.0.0.1:9090", "") is None


def test_on_loopback_another_host_name_needs_the_token() -> None:
    assert Access("loopback", "secret").refusal("engine.example", "") is not None
    assert Access("loopback", "secret").refusal("engine.example", "Bearer secret") is None
    assert Access("loopback", "").refusal("engine.example", "Bearer ") is not None


def test_elsewhere_even_a_loopback_host_header_needs_the_token() -> None:
    access = Access("nobody", "secret")
    assert access.refusal("localhost", "") is not None
    assert access.refusal("localhost", "Bearer secret") is None


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
    assert Access("nobody", "secret").refusal("engine.example", header) is not None


def test_the_scheme_is_read_in_any_case_and_the_token_is_not_shown() -> None:
    access = Access("nobody", "secret")
    assert access.refusal("", "bearer secret") is None
    assert "secret" not in repr(access)


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
    ("bind", "fault"), [("127.0.0.1:70000", "no port 70000"), ("no-such-host.invalid:80", "not known")]
)
def test_an_address_that_cannot_be_is_refused_by_name(bind: str, fault: str) -> None:
    with pytest.raises(ConfigError, match=rf"http\.bind.*{fault}"):
        resolve(bind)
