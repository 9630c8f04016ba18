"""Cameras for benchmarks, tests and the demo: a real RTSP server and what it sends."""
