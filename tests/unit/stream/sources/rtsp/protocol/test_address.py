from __future__ import annotations

import pytest

from stream.sources.rtsp.protocol.address import RtspAddress

parse = RtspAddress.parse


@pytest.mark.parametrize(
    ("address", "host", "port", "request_url"),
    [
        ("rtsp://cam", "cam", 554, "rtsp://cam/"),
        ("rtsp://cam:554/a", "cam", 554, "rtsp://cam/a"),
        ("RTSP://CAM:8554/A/b", "cam", 8554, "rtsp://cam:8554/A/b"),
        ("rtsps://cam/a", "cam", 322, "rtsps://cam/a"),
        ("rtsps://cam:7441/XyZ?enableSrtp", "cam", 7441, "rtsps://cam:7441/XyZ?enableSrtp"),
        ("rtsp://[fe80::1]:10554/a", "fe80::1", 10554, "rtsp://[fe80::1]:10554/a"),
        ("rtsp://[fe80::1%25eth0]/a", "fe80::1%eth0", 554, "rtsp://[fe80::1]/a"),
        ("rtsp://türe.example/a", "xn--tre-hoa.example", 554, "rtsp://xn--tre-hoa.example/a"),
        (
            "rtsp://admin:x@10.0.0.7/cam/realmonitor?channel=1&subtype=0",
            "10.0.0.7",
            554,
            "rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0",
        ),
        ("rtsp://cam?channel=1", "cam", 554, "rtsp://cam/?channel=1"),
        ("rtsp://cam/ä b%20c#fragment", "cam", 554, "rtsp://cam/%C3%A4%20b%20c"),
    ],
)
def test_an_address_is_parsed_and_requested_without_credentials(
    address: str, host: str, port: int, request_url: str
) -> None:
    parsed = parse(address)
    assert (parsed.host, parsed.port, parsed.request_url) == (host, port, request_url)


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [
        ("", None, None),
        ("@", "", ""),
        ("bob@", "bob", ""),
        ("bob:@", "bob", ""),
        ("bob:ge%40h%2Feim@", "bob", "ge@h/eim"),
        ("a%3Ab:c:d@", "a:b", "c:d"),
        ("bob:p@ss@", "bob", "p@ss"),
        ("bob:%C3%A4@", "bob", "ä"),
    ],
)
def test_credentials_are_percent_decoded(login: str, user: str | None, password: str | None) -> None:
    parsed = parse(f"rtsp://{login}cam/a")
    assert (parsed.user, parsed.password, parsed.host) == (user, password, "cam")


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://",
        "rtsp:///a",
        "rtsp://bob:geheim@/a",
        "rtsp://bob:geheim@cam:0/a",
        "rtsp://bob:geheim@cam:99999/a",
        "rtsp://bob:geheim@cam:port/a",
        "rtsp://bob:geheim@[fe80::zz]/a",
        "rtsp://bob:geheim@[fe80::1/a",
        "rtsp://bob:geheim@cam/a\r\nSession: 1",
        "rtsp://bob%0d%0aSession:geheim@cam/a",
        "rtsp://bob:geheim@c am/a",
        "rtsp://bob:geheim@c%0aam/a",
        "rtsp://bob:geheim@ä..b/a",
        "http://bob:geheim@cam/a",
        "bob:geheim@cam",
        "",
    ],
)
def test_an_invalid_address_is_rejected_without_quoting_it(address: str) -> None:
    with pytest.raises(ValueError, match=r"^(not an RTSP address|an RTSP address has|a user name has)") as raised:
        parse(address)
    assert "geheim" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_an_address_prints_neither_its_credentials_nor_its_path_and_query() -> None:
    shown = repr(parse("rtsp://bob:geheim@cam/user=a_password=heimlich?token=versteckt"))
    assert not any(secret in shown for secret in ("bob", "geheim", "heimlich", "versteckt"))
    assert "cam" in shown


@pytest.mark.parametrize(
    ("location", "request_url"),
    [
        ("rtsp://cam:554/other?x=1", "rtsp://cam/other?x=1"),
        ("/other", "rtsp://cam/other"),
        ("other", "rtsp://cam/live/other"),
        ("?stream=2", "rtsp://cam/live/main?stream=2"),
    ],
)
def test_credentials_are_kept_for_another_path_of_the_same_server(location: str, request_url: str) -> None:
    there = parse("rtsp://bob:geheim@cam/live/main?stream=1").redirected(location)
    assert there.request_url == request_url
    assert (there.user, there.password, there.digest_only) == ("bob", "geheim", False)


@pytest.mark.parametrize("location", ["rtsp://elsewhere/a", "//elsewhere/a", "rtsp://cam:8554/a"])
def test_another_host_or_port_gets_only_digests_also_after_it_redirects_back(location: str) -> None:
    there = parse("rtsp://bob:geheim@cam/a").redirected(location)
    assert (there.user, there.digest_only) == ("bob", True)
    assert there.redirected("rtsp://cam/a").digest_only


def test_a_plain_connection_gets_only_digests_if_an_encrypted_one_was_configured() -> None:
    assert parse("rtsps://bob:geheim@cam/a").redirected("rtsp://cam/a").digest_only


@pytest.mark.parametrize(
    "location", ["http://cam/a", "file:///etc/passwd", "rtsp://", "rtsp://cam:0", "//[x/a", "\r\n"]
)
def test_a_redirect_to_something_else_is_refused(location: str) -> None:
    if location == "\r\n":  # a header's value can't have them; nothing is left of it
        assert parse("rtsp://cam/a").redirected(location).request_url == "rtsp://cam/a"
        return
    with pytest.raises(ValueError, match="not an RTSP address"):
        parse("rtsp://cam/a").redirected(location)
