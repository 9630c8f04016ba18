"""RTSP servers and clips for benchmarks, tests and the demo."""
