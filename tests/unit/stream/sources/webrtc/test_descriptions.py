"""Which offers are accepted, the errors of the others, and the bitrates in our answers."""

from __future__ import annotations

import pytest

from stream.sources.webrtc.descriptions import (
    MAX_CANDIDATES,
    OfferError,
    checked_offer,
    checked_viewers_offer,
    codecs,
    with_bitrates,
)

SESSION = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=group:BUNDLE 0", "a=ice-ufrag:abcd", "a=ice-pwd:geheim"]
VIDEO = [
    "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "a=fingerprint:sha-256 AA",
    "a=setup:actpass",
    "a=mid:0",
    "a=sendonly",
    "a=rtcp-mux",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
]
AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=fingerprint:sha-256 AA", "a=setup:actpass", "a=mid:1", "a=rtcp-mux"]


def text(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in lines).encode()


def without(what: str) -> bytes:
    return text(*(line for line in [*SESSION, *VIDEO] if not line.startswith(what)))


def test_an_offer_is_accepted_with_or_without_audio_and_with_any_line_ending() -> None:
    assert checked_offer(text(*SESSION, *VIDEO)).endswith("a=fmtp:97 apt=96\r\n")
    assert checked_offer(text(*SESSION, *AUDIO, *VIDEO))
    assert checked_offer(text(*SESSION, *VIDEO).replace(b"\r\n", b"\n")) == checked_offer(text(*SESSION, *VIDEO))


@pytest.mark.parametrize(
    ("offer", "says"),
    [
        (b"", "v=0"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"type": "offer"}', "v=0"),
        (text(*SESSION, "nonsense", *VIDEO), "line 8 does not"),
        (text(*SESSION, "a=\x00", *VIDEO), "line 8 does not"),
        (text(*SESSION), "no video"),
        (text(*SESSION, *VIDEO, *VIDEO), "2 video"),
        (text(*SESSION, *VIDEO, *AUDIO, *AUDIO), "one audio"),
        (text(*SESSION, *VIDEO, "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"), "one video"),
        (text(*SESSION, *VIDEO, *["m=x 1 2 3"] * 8), "media sections"),
        (text(*SESSION, *VIDEO, *["a=candidate:1 1 udp 1 10.0.0.1 1 typ host"] * (MAX_CANDIDATES + 1)), "candidates"),
        (without("a=ice-ufrag"), "a=ice-ufrag"),
        (without("a=ice-pwd"), "a=ice-pwd"),
        (without("a=fingerprint"), "a=fingerprint"),
        (without("a=setup"), "a=setup"),
        (without("a=rtcp-mux"), "a=rtcp-mux"),
        (without("a=mid"), "a=mid"),
        (text(*SESSION, *(line.replace("sendonly", "recvonly") for line in VIDEO)), "recvonly"),
        (text(*SESSION, *(line.replace("VP8", "AV1") for line in VIDEO)), "VP8 or H264"),
    ],
)
def test_the_error_of_an_offer_is_explained_without_quoting_it(offer: bytes, says: str) -> None:
    with pytest.raises(OfferError, match=says) as raised:
        checked_offer(offer)
    assert "geheim" not in str(raised.value)


def test_a_viewer_may_offer_a_data_channel_and_errors_are_explained() -> None:
    video = [line.replace("sendonly", "recvonly") for line in VIDEO]
    channel = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", *VIDEO[1:3], "a=mid:2"]
    assert checked_viewers_offer(text(*SESSION, *video, *AUDIO, *channel), "VP8").endswith("a=mid:2\r\n")
    for offer, codec, says in (
        (text(*SESSION, *VIDEO), "VP8", "sendonly"),
        (text(*SESSION, *video), "H264", "H264"),
        (text(*SESSION, *video, *channel, *channel), "VP8", "one application"),
        (text(*SESSION, *channel), "VP8", "no video"),
    ):
        with pytest.raises(OfferError, match=says):
            checked_viewers_offer(offer, codec)


def test_bitrates_are_added_for_every_codec_except_retransmission() -> None:
    coded = ["c=IN IP4 10.0.0.1", *VIDEO[1:], "a=rtpmap:98 H264/90000", "a=fmtp:98 profile-level-id=42e01f"]
    answer = text(*SESSION, AUDIO[0], "c=IN IP4 10.0.0.1", *AUDIO[1:], VIDEO[0], *coded).decode()
    lines = with_bitrates(answer, 1500, 3000, 8000).split("\r\n")
    hints = "x-google-min-bitrate=1500;x-google-start-bitrate=3000"
    assert lines[lines.index("a=rtpmap:96 VP8/90000") + 1] == f"a=fmtp:96 {hints}"
    assert f"a=fmtp:98 profile-level-id=42e01f;{hints}" in lines
    assert "a=fmtp:97 apt=96" in lines
    video = lines.index(VIDEO[0])
    assert lines[video + 1 : video + 3] == ["c=IN IP4 10.0.0.1", "b=AS:8000"]
    assert lines.count("b=AS:8000") == 1
    assert with_bitrates(answer, 0, 0, 0) == answer
    assert "x-google-min" not in with_bitrates(answer, 0, 3000, 0)
    assert codecs(lines) == {96: "VP8", 97: "rtx", 98: "H264"}
