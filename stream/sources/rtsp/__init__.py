"""RTSP cameras: at the wire, or through libav's demuxer."""
