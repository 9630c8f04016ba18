"""PacketServer: RTSP cameras that send packets made beforehand, so that sending them takes little CPU time.

The RTP packets are those of the benchmark's clip, in fragments of `PAYLOAD_BYTES` as GStreamer's payloader makes them.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence

from benchmarks.cameras.clip import Clip

PAYLOAD_BYTES = 1388
"""GStreamer's: 1400 bytes with the header."""
PAYLOAD_TYPE = 96
TICKS = 90_000
_HEADER = struct.Struct(">BBHII")
_FU_A, _START, _END = 28, 0x80, 0x40
_SEQUENCE, _PICTURE = 7, 8
_REQUEST = re.compile(rb"([A-Z_]+) [^\r\n]*\r\n(.*?)\r\n\r\n", re.DOTALL)
_CSEQ = re.compile(rb"CSeq: *(\d+)", re.IGNORECASE)
_PORTS = re.compile(rb"client_port=(\d+)-")


def units_of(clip: Clip) -> list[list[bytes]]:
    """Return the NAL units of each of the clip's access units, without start codes."""
    stream = re.split(rb"\x00?\x00\x00\x01", clip.stream.read_bytes())[1:]
    units: list[list[bytes]] = []
    complete = True
    for nal in stream:
        if complete:
            units.append([])
        units[-1].append(nal)
        complete = nal[0] & 0x1F in (1, 5)
    return units


def packets_of(nals: Sequence[bytes], timestamp: int, sequence: int) -> list[bytes]:
    """Return the RTP packets of an access unit, the first of which has this sequence number."""
    payloads = [payload for nal in nals for payload in _payloads(nal)]
    packets: list[bytes] = []
    for number, payload in enumerate(payloads):
        marker = 0x80 if number == len(payloads) - 1 else 0
        header = _HEADER.pack(0x80, marker | PAYLOAD_TYPE, (sequence + number) & 0xFFFF, timestamp & 0xFFFFFFFF, 0x5EED)
        packets.append(header + payload)
    return packets


def _payloads(nal: bytes) -> Iterator[bytes]:
    if len(nal) <= PAYLOAD_BYTES:
        yield nal
        return
    room = PAYLOAD_BYTES - 2
    for at in range(1, len(nal), room):
        flags = (_START if at == 1 else 0) | (_END if at + room >= len(nal) else 0)
        yield bytes((nal[0] & 0xE0 | _FU_A, flags | nal[0] & 0x1F)) + nal[at : at + room]


def interleaved(packet: bytes) -> bytes:
    """Return the packet as the RTSP connection carries it on channel 0."""
    return b"$\0" + len(packet).to_bytes(2, "big") + packet


class PacketServer:
    """Serves `cameras` clients, then sends frames to all of them until `stop`, in a thread."""

    def __init__(self, clip: Clip, cameras: int, *, udp: bool, at_once: bool, fps: float, spread_us: float) -> None:
        self._units = units_of(clip)
        self._cameras = cameras
        self._udp = udp
        self._at_once = at_once
        self._interval_s = 1 / fps
        self._ticks = round(TICKS / fps)
        self._spread_s = spread_us / 1e6
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self._sinks: list[tuple[socket.socket, tuple[str, int] | None]] = []
        self._sockets = [self._listening]
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """The address of every camera."""
        return f"rtsp://127.0.0.1:{self._listening.getsockname()[1]}/clip"

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def stop(self) -> None:
        """Close all connections."""
        self._stopping.set()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in self._sockets:
            each.close()

    def _run(self) -> None:
        with contextlib.suppress(OSError):
            for _ in range(self._cameras):
                self._open(self._listening.accept()[0])
            self._send()

    def _open(self, connection: socket.socket) -> None:
        """Answer a client's requests up to PLAY."""
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sockets.append(connection)
        received = b""
        target: tuple[str, int] | None = None
        method = b""
        while method != b"PLAY":
            received += connection.recv(4096)
            while (request := _REQUEST.match(received)) is not None:
                received = received[request.end() :]
                method = request[1]
                number = _CSEQ.search(request[0])
                assert number is not None
                head, body = b"", b""
                if method == b"DESCRIBE":
                    body = self._description()
                    head = b"Content-Type: application/sdp\r\nContent-Length: %d\r\n" % len(body)
                elif method == b"SETUP":
                    head = b"Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                    if ports := _PORTS.search(request[0]):
                        target = "127.0.0.1", int(ports[1])
                        head = (
                            b"Session: 1\r\nTransport: RTP/AVP;unicast;client_port=%d-%d;server_port=6970-6971\r\n"
                            % (
                                target[1],
                                target[1] + 1,
                            )
                        )
                connection.sendall(b"RTSP/1.0 200 OK\r\nCSeq: %s\r\n%s\r\n%s" % (number[1], head, body))
        sink = connection
        if self._udp:
            sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sockets.append(sink)
        self._sinks.append((sink, target if self._udp else None))

    def _description(self) -> bytes:
        sets = [nal for nal in self._units[0] if nal[0] & 0x1F in (_SEQUENCE, _PICTURE)]
        encoded = ",".join(base64.b64encode(nal).decode() for nal in sets)
        return (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=clip\r\nt=0 0\r\n"
            f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\na=rtpmap:{PAYLOAD_TYPE} H264/90000\r\n"
            f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;sprop-parameter-sets={encoded}\r\na=control:stream=0\r\n"
        ).encode()

    def _send(self) -> None:
        begun_s = time.monotonic() + 0.1
        sequence = frame = 0
        while not self._stopping.is_set():
            packets = packets_of(self._units[frame % len(self._units)], frame * self._ticks, sequence)
            sequence += len(packets)
            for index, sink in enumerate(self._sinks):
                phase = 0.0 if self._at_once else index / self._cameras
                wait_s = begun_s + (frame + phase) * self._interval_s - time.monotonic()
                if wait_s > 0:
                    time.sleep(wait_s)
                self._send_frame(*sink, packets)
            frame += 1

    def _send_frame(self, sink: socket.socket, target: tuple[str, int] | None, packets: list[bytes]) -> None:
        if target is None and not self._spread_s:
            sink.sendall(b"".join(map(interleaved, packets)))
            return
        for packet in packets:
            if target is None:
                sink.sendall(interleaved(packet))
            else:
                sink.sendto(packet, target)
            if self._spread_s:
                time.sleep(self._spread_s)
