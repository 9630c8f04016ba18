"""GStreamer's RTSP server, run by Debian's own python3, which has the `gi` bindings.

It runs until it is killed or its standard input closes, so that it ends with the process that started it.

`benchmarks.cameras.rtsp_server.RtspServer` starts it. The configuration is one line of JSON on standard input:
`{"port": 0, "users": {name: password}, "digest": false, "mounts": [{"path": "/clip", "kind": …, …}]}`; it listens on
loopback unless `"address"` is set. When it listens, it prints one line of JSON, `{"port": N}`. Kinds of mounts:

* `units`: encoded access units from files in the format of `benchmarks.cameras.rtsp_server.write_units`, played in turn
  and repeated, with increasing times. Every client has its own playback from frame 0. A file with `codec_data` has its
  parameter sets in the session description only, not in the stream.
* `launch`: a pipeline given as text (`pay0` is the payloader), shared by all clients unless `"shared"` is false.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import Any, NamedTuple

import gi  # pyright: ignore[reportMissingImports]

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # pyright: ignore[reportMissingImports] # noqa: E402

PARSE_AND_PAY = {
    "h264": ("video/x-h264,stream-format=byte-stream,alignment=au", "h264parse ! rtph264pay config-interval=-1"),
    "hevc": ("video/x-h265,stream-format=byte-stream,alignment=au", "h265parse ! rtph265pay config-interval=-1"),
    "mjpeg": ("image/jpeg", "jpegparse ! rtpjpegpay"),
}
PAY_OUT_OF_BAND = {
    "h264": ("video/x-h264,stream-format=avc,alignment=au", "rtph264pay config-interval=0"),
    "hevc": ("video/x-h265,stream-format=hvc1,alignment=au", "rtph265pay config-interval=0"),
}
"""Like `PARSE_AND_PAY`, for units with parameter sets in the caps only: a parser would insert them."""
UNIT_HEADER = struct.Struct("<qqI?")
"""Presentation and decoding time in ns, size in bytes, keyframe flag."""
QUEUED_BYTES = 1 << 20


class Unit(NamedTuple):
    """An access unit; times in ns from the start of its file."""

    pts: int
    dts: int
    key: bool
    data: bytes


class Clip(NamedTuple):
    """The access units of a file and their duration in ns. `codec_data`: hexadecimal; "" for Annex B."""

    codec: str
    duration: int
    units: list[Unit]
    codec_data: str


def read_units(path: Path) -> Clip:
    """Read a file of `rtsp_server.write_units`: a line of JSON, then header and bytes of each unit."""
    content = path.read_bytes()
    end = content.index(b"\n")
    head = json.loads(content[:end])
    units: list[Unit] = []
    at = end + 1
    while at < len(content):
        pts, dts, size, key = UNIT_HEADER.unpack_from(content, at)
        at += UNIT_HEADER.size
        data = content[at : at + size]
        units.append(Unit(pts, dts, key, length_prefixed(data) if "codec_data" in head else data))
        at += size
    return Clip(head["codec"], head["duration_ns"], units, head.get("codec_data", ""))


def length_prefixed(annex_b: bytes) -> bytes:
    """Return the NAL units with length prefixes of four bytes, as in MP4, instead of start codes."""
    nals = [part.rstrip(b"\0") for part in annex_b.split(b"\0\0\1")]
    return b"".join(struct.pack(">I", len(nal)) + nal for nal in nals if nal)


class Feed:
    """Feeds a client's pipeline with access units on request, without end."""

    def __init__(self, clips: list[Clip]) -> None:
        self._clips = clips
        self._clip = 0
        self._unit = 0
        self._offset = 0

    def need_data(self, source: Any, _length: int) -> None:
        clip = self._clips[self._clip]
        unit = clip.units[self._unit]
        buffer = Gst.Buffer.new_wrapped(unit.data)
        buffer.pts = unit.pts + self._offset
        buffer.dts = unit.dts + self._offset
        if not unit.key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self._unit += 1
        if self._unit == len(clip.units):
            self._unit = 0
            self._offset += clip.duration
            self._clip = (self._clip + 1) % len(self._clips)
        source.emit("push-buffer", buffer)


class UnitsFactory(GstRtspServer.RTSPMediaFactory):
    """Creates a pipeline for each client, which plays the clips from frame 0."""

    def __init__(self, clips: list[Clip]) -> None:
        super().__init__()
        self._clips = clips
        caps, parse_and_pay = PARSE_AND_PAY[clips[0].codec]
        if clips[0].codec_data:
            caps, parse_and_pay = PAY_OUT_OF_BAND[clips[0].codec]
            caps += f",codec_data=(buffer){clips[0].codec_data}"
        self.set_launch(
            f"( appsrc name=units format=time max-bytes={QUEUED_BYTES} caps={caps} ! {parse_and_pay} name=pay0 pt=96 )"
        )
        self.set_shared(False)
        self.connect("media-configure", self._configure)

    def _configure(self, _factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("units")
        source.connect("need-data", Feed(self._clips).need_data)


def make_factory(mount: dict[str, Any]) -> Any:
    """Return the media factory of a mount."""
    if mount["kind"] == "units":
        return UnitsFactory([read_units(Path(path)) for path in mount["files"]])
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(mount["launch"])
    factory.set_shared(mount.get("shared", True))
    return factory


def protect(server: Any, users: dict[str, str], digest: bool) -> None:
    """Require one of these users on every mount, by Digest or by Basic."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST if digest else GstRtsp.RTSPAuthMethod.BASIC)
    for user, password in users.items():
        if digest:
            auth.add_digest(user, password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)


def allow_viewers(factory: Any) -> None:
    """Allow authenticated users to play the mount."""
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("viewer", "media.factory.access", True)
    permissions.add_permission_for_role("viewer", "media.factory.construct", True)
    factory.set_permissions(permissions)


def main() -> None:
    """Serve until standard input closes."""
    configuration = json.loads(sys.stdin.readline())
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(configuration.get("address", "127.0.0.1"))
    server.set_service(str(configuration["port"]))
    if configuration["users"]:
        protect(server, configuration["users"], configuration["digest"])
    for mount in configuration["mounts"]:
        factory = make_factory(mount)
        if configuration["users"]:
            allow_viewers(factory)
        server.get_mount_points().add_factory(mount["path"], factory)
    if not server.attach(None):
        sys.exit(f"cannot listen on port {configuration['port']}")
    sys.stdout.write(json.dumps({"port": server.get_bound_port()}) + "\n")
    sys.stdout.flush()
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, lambda *_: loop.quit())
    loop.run()


if __name__ == "__main__":
    main()
