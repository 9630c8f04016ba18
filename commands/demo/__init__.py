"""`partstream demo`: real footage through a real RTSP server."""
