"""Which `Host` headers are a host and a port, and which of them name this machine."""

from __future__ import annotations

import ipaddress
import string
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stream.http.server.access_control.access import names_loopback
from stream.http.server.access_control.authority import Authority, parsed
from support.examples import examples

NAMES = st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=", min_size=1, max_size=30)
ADDRESSES = st.one_of(st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map("[{}]".format))
LOOPBACK = st.sampled_from(["localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "[::1]"])
HOSTS = st.one_of(NAMES, ADDRESSES, LOOPBACK)
PORTS = st.one_of(st.just(""), st.integers(0, 65_535).map(":{}".format), st.just(":"))
FOREIGN = st.sampled_from([*'@/?#[]\\ \t\r\n\0%<>"^`{|}:', "é", "\ud800"])
TEXTS = st.one_of(st.text(max_size=40), st.text("@:[]%/.localhst127", max_size=40))


@given(HOSTS, PORTS)
@settings(max_examples=examples(200))
def test_a_host_with_or_without_a_port_is_parsed(host: str, port: str) -> None:
    number = int(port[1:]) if len(port) > 1 else None
    assert parsed(host + port) == Authority(host.strip("[]").lower(), number)


@given(HOSTS, PORTS, FOREIGN, st.data())
@settings(max_examples=examples(300))
def test_a_character_that_belongs_to_no_host_makes_it_another_form(
    host: str, port: str, foreign: str, data: st.DataObject
) -> None:
    text = host + port
    at = data.draw(st.integers(0, len(text)))
    odd = text[:at] + foreign + text[at:]
    found = parsed(odd)
    if foreign == ":" and found is not None:  # it began the port, or was part of the address
        assert f"[{found.host}]" in odd.lower() or odd.lower().startswith(found.host + ":")
    elif foreign == "%" and found is not None:
        assert odd[at + 1 : at + 3].isalnum()
    else:
        assert found is None, odd


@given(TEXTS)
@example("localhost:80@evil.com")
@example("localhost@evil.com")
@example("evil.com@localhost")
@example("localhost:80:80")
@example("[::1]evil.com")
@example("[::1]:80@evil.com")
@example("[::1%25lo]")
@example("127.0.0.1:99999")
@example("localhost:٨٠")
@example("localhost, evil.com")
@example("localhost\tevil.com")
@settings(max_examples=examples(500))
def test_what_names_this_machine_names_it_for_every_reader_of_an_address(text: str) -> None:
    if not names_loopback(text):
        return
    seen = urlsplit(f"//{text}")
    assert seen.username is None and seen.netloc == text
    assert seen.hostname == "localhost" or ipaddress.ip_address(str(seen.hostname)).is_loopback
    assert seen.port is None or 0 <= seen.port <= 65_535


@pytest.mark.parametrize("text", ["", ":", ":80", "[", "[]", "::1", "[::g]", "a" * 301, "%zz", "user@host", "[v1.x]"])
def test_other_forms_are_refused(text: str) -> None:
    assert parsed(text) is None
