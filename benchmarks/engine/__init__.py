"""Benchmarks of the engine: ingest, throughput, telemetry, latency and memory."""
