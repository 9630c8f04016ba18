"""RTSP cameras: native RTSP and the FFmpeg backend."""
