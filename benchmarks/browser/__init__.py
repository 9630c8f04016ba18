"""Chromium driver for benchmarks and tests of the live page and WebRTC."""
