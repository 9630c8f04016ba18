from __future__ import annotations

import pytest

from stream.sources.rtsp.protocol.messages import Headers
from stream.sources.rtsp.protocol.session import base_of, control_urls

REQUEST = "rtsp://10.0.0.7:8554/live?token=1"
HIKVISION = "rtsp://192.168.1.64:554/Streaming/Channels/101/"
DAHUA = "rtsp://10.0.0.7/cam/realmonitor?channel=1&subtype=0"


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ([], REQUEST),
        ([("Content-Base", "rtsp://10.0.0.7:8554/live/")], "rtsp://10.0.0.7:8554/live/"),
        ([("content-base", " rtsp://10.0.0.7/live ")], "rtsp://10.0.0.7/live"),
        ([("Content-Base", '"rtsp://10.0.0.7/live/"')], "rtsp://10.0.0.7/live/"),
        ([("Content-Base", DAHUA + "/")], DAHUA + "/"),
        ([("Content-Base", "rtsp://bob:geheim@10.0.0.7/live/")], "rtsp://10.0.0.7/live/"),
        ([("Content-Base", "rtsp://10.0.0.7:554/live/")], "rtsp://10.0.0.7:554/live/"),
        ([("Content-Base", "RTSP://10.0.0.7/live/")], "rtsp://10.0.0.7/live/"),
        ([("Content-Base", "rtsp://10.0.0.7/l\xc3\xa4 b/")], "rtsp://10.0.0.7/l%C3%A4%20b/"),
        ([("Content-Base", "/live/")], "rtsp://10.0.0.7:8554/live/"),
        ([("Content-Base", "")], REQUEST),
        ([("Content-Base", "rtsp://:554/live/")], REQUEST),
        ([("Content-Base", "rtsp://")], REQUEST),
        ([("Content-Base", "http://10.0.0.7/live/")], REQUEST),
        ([("Content-Base", "live")], REQUEST),
        ([("Content-Location", "rtsp://10.0.0.7/other/")], "rtsp://10.0.0.7/other/"),
        ([("Content-Location", "rtsp://a/"), ("Content-Base", "rtsp://b/")], "rtsp://b/"),
    ],
)
def test_control_urls_are_relative_to_the_base_of_the_description(headers: list[tuple[str, str]], base: str) -> None:
    assert base_of(REQUEST, Headers(headers)) == base


@pytest.mark.parametrize(
    ("base", "session_control", "control", "aggregate", "media"),
    [
        ("rtsp://cam/live/", "*", "trackID=1", "rtsp://cam/live/", "rtsp://cam/live/trackID=1"),
        ("rtsp://cam/live", "*", "trackID=1", "rtsp://cam/live", "rtsp://cam/live/trackID=1"),
        ("rtsp://cam/live", None, "trackID=1", "rtsp://cam/live", "rtsp://cam/live/trackID=1"),
        ("rtsp://cam/", None, "track1", "rtsp://cam/", "rtsp://cam/track1"),
        (DAHUA, "*", "trackID=0", DAHUA, DAHUA + "/trackID=0"),
        (DAHUA + "/", "*", "trackID=0", DAHUA + "/", DAHUA + "/trackID=0"),
        (
            "rtsp://192.168.1.64/Streaming/Channels/101",
            HIKVISION,
            HIKVISION + "trackID=1",
            HIKVISION,
            HIKVISION + "trackID=1",
        ),
        ("rtsp://cam/live", "rtsp://cam/all", "track1", "rtsp://cam/all", "rtsp://cam/all/track1"),
        ("rtsp://cam/live", "all", "track1", "rtsp://cam/live/all", "rtsp://cam/live/track1"),
        ("rtsp://cam/live", "*", None, "rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam/live", "*", "*", "rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam/live/", "*", "?ctype=video", "rtsp://cam/live/", "rtsp://cam/live/?ctype=video"),
        ("rtsp://cam/live", "*", "?ctype=video", "rtsp://cam/live", "rtsp://cam/live?ctype=video"),
        ("rtsp://cam/h264/ch1?x=1", "*", "/h264/ch1?track=1", "rtsp://cam/h264/ch1?x=1", "rtsp://cam/h264/ch1?track=1"),
        ("rtsp://cam/live", "*", "/live/track1", "rtsp://cam/live", "rtsp://cam/live/track1"),
        ("rtsp://cam/live/", "*", "/track1", "rtsp://cam/live/", "rtsp://cam/live/track1"),
        ("rtsp://cam/live", "*", "rtsp://bob:geheim@cam/live/1", "rtsp://cam/live", "rtsp://cam/live/1"),
        ("rtsp://cam/live", "*", "RTSP://10.1.1.1:554/live/1", "rtsp://cam/live", "rtsp://10.1.1.1:554/live/1"),
        ("rtsp://cam/live", "*", "rtsp://", "rtsp://cam/live", "rtsp://cam/live"),
        ("rtsp://cam/live", "*", "track 1", "rtsp://cam/live", "rtsp://cam/live/track%201"),
        ("rtsp://[fe80::1]:8554/live", "*", "1", "rtsp://[fe80::1]:8554/live", "rtsp://[fe80::1]:8554/live/1"),
    ],
)
def test_urls_are_joined_as_players_join_them(
    base: str, session_control: str | None, control: str | None, aggregate: str, media: str
) -> None:
    joined, candidates = control_urls(base, session_control, control)
    assert (joined, candidates[0]) == (aggregate, media)


@pytest.mark.parametrize(
    ("base", "control", "second"),
    [
        ("rtsp://cam/tcp/av0_0", "track0", ["rtsp://cam/tcp/track0"]),
        ("rtsp://cam/live?token=1", "track0", ["rtsp://cam/track0"]),
        ("rtsp://cam/live/", "track0", []),
        ("rtsp://cam/live/", "/track0", ["rtsp://cam/track0"]),
        ("rtsp://cam/live", "rtsp://cam/live/track0", []),
        ("rtsp://cam/live", "//[x", []),
        ("rtsp://cam/live", None, []),
    ],
)
def test_the_url_by_the_standard_comes_second(base: str, control: str | None, second: list[str]) -> None:
    assert control_urls(base, None, control)[1][1:] == second
