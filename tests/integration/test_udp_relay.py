"""The UDP relay of the tests forwards packets unchanged, and counts correctly what it drops, swaps and duplicates."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import av
import pytest

from benchmarks.cameras.rtsp_server import RtspServer
from support.rtp.stream_corpus import corpus_stream, digest_of
from support.rtp.udp_relay import Impairments, UdpRelay
from support.rtsp_servers.vlc import VlcServer

MAIN = corpus_stream("h264_main")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RtspServer]:
    units = MAIN.write_units(tmp_path_factory.mktemp("relay") / "main.units")
    with RtspServer(files={"/main": units}, users={"bob": "geheim"}, digest=True) as running:
        yield running


def test_without_impairments_every_picture_is_forwarded(server: RtspServer) -> None:
    with UdpRelay(server.port) as relay:
        digests = played(relay.url(server.url("/main", "bob", "geheim")), 20)
    assert digests == [picture.digest for picture in MAIN.shown[:20]]
    assert relay.relayed > 40
    assert relay.dropped == []


def test_the_relay_works_with_other_servers() -> None:
    with VlcServer(MAIN) as server, UdpRelay(server.port) as relay:
        assert set(played(relay.url(server.url()), 5)) <= {picture.digest for picture in MAIN.shown}
        assert relay.relayed > 10


def test_dropped_packets_are_missing(server: RtspServer) -> None:
    with UdpRelay(server.port, Impairments(drop=0.1)) as relay:
        digests = played(relay.url(server.url("/main", "bob", "geheim")), 20)
    assert len(relay.dropped) >= 2
    assert digests != [picture.digest for picture in MAIN.shown[:20]]


def test_impairments_follow_from_the_seed() -> None:
    def done(seed: int) -> list[bytes]:
        relay = UdpRelay(1, Impairments(drop=0.1, swap=0.1, double=0.1), seed)
        sent: list[bytes] = []
        held: list[bytes] = []
        for number in range(200):
            relay.media_packet(b"\x80\x60" + number.to_bytes(2, "big") + bytes(8), sent.append, held)
        assert len(relay.dropped) + relay.relayed == 200
        assert len(sent) == relay.relayed + len(relay.doubled) - len(held)
        assert relay.swapped > 0
        numbers = [int.from_bytes(packet[2:4], "big") for packet in sent]
        assert sorted(set(numbers) | {sequence for sequence, _ in relay.dropped} | {199}) == list(range(200))
        assert numbers != sorted(numbers)
        return sent

    assert done(1) == done(1)
    assert done(1) != done(2)


def test_the_relay_closes_its_connections(server: RtspServer) -> None:
    with UdpRelay(server.port) as relay:
        connection = socket.create_connection(("127.0.0.1", relay.port))
        connection.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        assert connection.recv(1000).startswith(b"RTSP/1.0 ")
    assert connection.recv(1000) == b""
    connection.close()


def played(address: str, count: int) -> list[int]:
    """Return the digests of the first `count` decoded pictures, over UDP."""
    options = {"rtsp_transport": "udp", "analyzeduration": "0", "probesize": "32", "flags": "low_delay"}
    with av.open(address, options=options) as container:
        return [digest_of(frame) for frame, _ in zip(container.decode(video=0), range(count))]
