"""The RTSP protocol without sockets: bytes and messages in, bytes and events out."""
