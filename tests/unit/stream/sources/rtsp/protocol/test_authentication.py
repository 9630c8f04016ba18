from __future__ import annotations

import pytest

from stream.sources.rtsp.protocol.authentication import Credentials, parse_challenges

RFC_2617 = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", '
    'opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)
RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)


def answered(*challenges: str, user: str = "Mufasa", password: str = "Circle Of Life", cnonce: str = "0a4f113b") -> str:
    credentials = Credentials(user, password, new_cnonce=lambda: cnonce)
    assert credentials.challenged(challenges)
    said = credentials.authorization("GET", "/dir/index.html")
    assert said is not None
    return said


def said(answer: str, name: str) -> str | None:
    (challenge,) = parse_challenges([answer])
    return challenge.parameters.get(name)


def test_the_example_of_rfc_2617_is_answered_as_there() -> None:
    answer = answered(RFC_2617)
    assert answer.startswith('Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b71')
    assert said(answer, "response") == "6629fae49393a05397450978507c4ef1"
    assert (said(answer, "qop"), said(answer, "nc"), said(answer, "cnonce")) == ("auth", "00000001", "0a4f113b")
    assert said(answer, "opaque") == "5ccc069c403ebaf9f0171e9517f40e41"
    assert said(answer, "uri") == "/dir/index.html"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616_are_answered_as_there(algorithm: str, response: str) -> None:
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    answer = answered(RFC_7616.format(algorithm), password="Circle of Life", cnonce=cnonce)
    assert said(answer, "response") == response
    assert said(answer, "algorithm") == algorithm


def test_a_digest_without_qop_is_answered_by_rfc_2069() -> None:
    """The challenge of most cameras. The response is that of erratum 749 for the RFC's example."""
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = answered(challenge, password="CircleOfLife")
    assert said(answer, "response") == "1949323746fe6a43ef61f9606e7febea"
    assert "qop" not in answer and "nc=" not in answer and "cnonce" not in answer and "algorithm" not in answer


def test_no_credentials_are_sent_before_the_first_challenge() -> None:
    assert Credentials("u", "p").authorization("OPTIONS", "*") is None


def test_basic_is_answered_in_utf_8() -> None:
    credentials = Credentials("Aladdin", "open sesame")
    assert credentials.challenged(['Basic realm="WallyWorld"'])
    assert credentials.authorization("DESCRIBE", "*") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    credentials = Credentials("test", "123£")
    assert credentials.challenged(['basic realm="foo", charset="UTF-8"'])
    assert credentials.authorization("DESCRIBE", "*") == "Basic dGVzdDoxMjPCow=="


@pytest.mark.parametrize(
    ("lines", "scheme", "algorithm"),
    [
        (
            ['Digest realm="IP Camera(C1234)", nonce="a", stale="FALSE"', 'Basic realm="IP Camera(C1234)"'],
            "Digest",
            None,
        ),
        (
            ['Basic realm="AXIS_ACCC8E000000"', 'Digest realm="AXIS_ACCC8E000000", nonce="a", stale=FALSE'],
            "Digest",
            None,
        ),
        (['Basic realm="x", Digest realm="x", nonce="a,b", algorithm="MD5"'], "Digest", "MD5"),
        (
            ['Digest realm="x", nonce="a", algorithm=MD5, Digest realm="x", nonce="a", algorithm=SHA-256'],
            "Digest",
            "SHA-256",
        ),
        (['Digest realm="x",nonce="a",algorithm=sha-256', 'Digest realm="x",nonce="a"'], "Digest", "SHA-256"),
        (['Digest realm="x", nonce="a", algorithm=SHA3-999', 'Digest realm="x", nonce="b"'], "Digest", None),
        (['Bearer realm="x"', 'Basic realm="x"'], "Basic", None),
        (["Digest realm=x,nonce=a"], "Digest", None),
        (['DIGEST REALM = "x" , NONCE = "a"'], "Digest", None),
    ],
)
def test_of_several_offers_the_strongest_known_digest_is_taken_and_basic_only_if_there_is_none(
    lines: list[str], scheme: str, algorithm: str | None
) -> None:
    answer = answered(*lines)
    assert answer.split(" ")[0] == scheme
    assert (said(answer, "algorithm") if scheme == "Digest" else None) == algorithm


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["Negotiate"],
        ['Digest realm="x"'],
        ['Digest realm="x", nonce="a", qop="auth-int"'],
        ['Digest realm="x", nonce="a", algorithm=SHA3-999', 'Basic realm="x"'],
        ['Digest realm="x", nonce="a", algorithm=MD5-sess'],
    ],
)
def test_unanswerable_challenges_are_not_answered(lines: list[str]) -> None:
    assert not Credentials("u", "p").challenged(lines)


def test_the_password_itself_is_never_sent_if_only_digests_are_allowed() -> None:
    credentials = Credentials("u", "p", digest_only=True)
    assert not credentials.challenged(['Basic realm="x"'])
    assert credentials.authorization("DESCRIBE", "*") is None
    assert credentials.challenged(['Digest realm="x", nonce="a"'])


@pytest.mark.parametrize(
    ("text", "stale"), [("stale=true", True), ('stale="TRUE"', True), ("stale=false", False), ("", False)]
)
def test_a_stale_nonce_is_distinguished_from_a_rejection(text: str, stale: bool) -> None:
    credentials = Credentials("u", "p")
    assert credentials.challenged([f'Digest realm="x", nonce="n", {text}'])
    assert credentials.stale is stale
