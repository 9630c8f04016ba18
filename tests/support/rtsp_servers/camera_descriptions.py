"""Session descriptions of real cameras and servers."""

from __future__ import annotations

import base64

SPS = base64.b64decode("Z2QAMqwsaoCgAtabgoCCoAAAAwAgAAAGUIA=")
PPS = base64.b64decode("aO4xshs=")
VPS_265, SPS_265, PPS_265 = b"\x40\x01\x0c\x01", b"\x42\x01\x01\x01", b"\x44\x01\xc0\xf7"


def _with_sets(sdp: bytes) -> bytes:
    return sdp.replace(b"%SETS%", base64.b64encode(SPS) + b"," + base64.b64encode(PPS))


HIKVISION = _with_sets(
    b"""v=0
o=- 1109162014219182 1109162014219192 IN IP4 192.168.1.64
s=Media Presentation
e=NONE
b=AS:5100
t=0 0
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=%SETS%
a=Media_header:MEDIAINFO=494D4B48010200000400000100000000000000000000000000000000000000000000000000000000;
a=appversion:1.0
"""
)
DAHUA = _with_sets(
    b"""v=0\r
o=- 2281187389 2281187389 IN IP4 0.0.0.0\r
s=RTSP Session/2.0\r
c=IN IP4 0.0.0.0\r
t=0 0\r
a=control:*\r
a=packetization-supported:DH\r
a=rtppayload-supported:DH\r
a=range:npt=now-\r
m=video 0 RTP/AVP 96\r
a=control:trackID=0\r
a=framerate:25.000000\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;profile-level-id=640032;sprop-parameter-sets=%SETS%\r
a=recvonly\r
m=audio 0 RTP/AVP 8\r
a=control:trackID=1\r
a=rtpmap:8 PCMA/8000\r
a=recvonly\r
"""
)
AXIS = _with_sets(
    b"""v=0\r
o=- 1188340656180883 1 IN IP4 192.168.0.90\r
s=Session streamed with GStreamer\r
i=rtsp-server\r
t=0 0\r
a=tool:GStreamer\r
a=type:broadcast\r
a=range:npt=now-\r
a=control:rtsp://192.168.0.90/axis-media/media.amp?videocodec=h264\r
m=video 0 RTP/AVP 96\r
c=IN IP4 0.0.0.0\r
b=AS:50000\r
a=rtpmap:96 H264/90000\r
a=fmtp:96 packetization-mode=1;profile-level-id=4d0029;sprop-parameter-sets=%SETS%\r
a=ts-refclk:local\r
a=mediaclk:sender\r
a=recvonly\r
a=control:rtsp://192.168.0.90/axis-media/media.amp/stream=0?videocodec=h264\r
a=framerate:30.000000\r
a=transform:-1.000000,0.000000,0.000000;0.000000,-1.000000,0.000000;0.000000,0.000000,1.000000\r
"""
)
REOLINK = _with_sets(
    b"""v=0\r
o=- 1606737459866468 1 IN IP4 192.168.1.141\r
s=Session streamed by "preview"\r
t=0 0\r
a=tool:BC Streaming Media v202210012022.10.01\r
a=type:broadcast\r
a=control:*\r
a=range:npt=now-\r
a=x-qt-text-nam:Session streamed by "preview"\r
m=video 0 RTP/AVP 96\r
c=IN IP4 0.0.0.0\r
b=AS:8192\r
a=rtpmap:96 H265/90000\r
a=range:npt=now-\r
a=fmtp:96 profile-space=0;profile-id=1;tier-flag=0;level-id=150;interop-constraints=000000000000;\
sprop-vps=QAEMAQ==;sprop-sps=QgEBAQ==;sprop-pps=RAHA9w==\r
a=control:track1\r
m=audio 0 RTP/AVP 97\r
c=IN IP4 0.0.0.0\r
a=rtpmap:97 MPEG4-GENERIC/16000\r
a=control:track2\r
"""
)
UNIFI = _with_sets(
    b"""v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=UniFi Video\r
c=IN IP4 0.0.0.0\r
t=0 0\r
a=recvonly\r
a=control:*\r
m=audio 0 RTP/AVP 97\r
a=rtpmap:97 MPEG4-GENERIC/48000/1\r
a=control:trackID=0\r
m=video 0 RTP/AVP 99\r
a=fmtp:99 profile-level-id=640028; packetization-mode=1; sprop-parameter-sets=%SETS%;\r
a=rtpmap:99 H264/90000\r
a=control:trackID=1\r
"""
)
MEDIAMTX = _with_sets(
    b"""v=0\r
o=- 0 0 IN IP4 127.0.0.1\r
s=No Name\r
c=IN IP4 0.0.0.0\r
t=0 0\r
m=video 0 RTP/AVP 96\r
a=control:rtsp://127.0.0.1:8554/cam/trackID=0\r
a=rtpmap:96 H265/90000\r
a=fmtp:96 sprop-vps=QAEMAQ==; sprop-sps=QgEBAQ==; sprop-pps=RAHA9w==; sprop-max-don-diff=0\r
"""
)
UNIVIEW = _with_sets(
    b"""v=0
o=- 1001 1 IN IP4 192.168.1.13
s=VCP IPC Realtime stream
m=video 0 RTP/AVP 105
c=IN IP4 192.168.1.13
a=control:rtsp://192.168.1.13/media/video1/video
a=rtpmap:105 H264/90000
a=fmtp:105 profile-level-id=640028; packetization-mode=1; sprop-parameter-sets=%SETS%
a=recvonly
m=application 0 RTP/AVP 107
c=IN IP4 192.168.1.13
a=control:rtsp://192.168.1.13/media/video1/metadata
a=rtpmap:107 vnd.onvif.metadata/90000
"""
)
