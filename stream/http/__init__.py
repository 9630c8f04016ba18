"""The HTTP server: API, live page, metrics and probes."""
