"""Cost of receiving native RTSP."""
