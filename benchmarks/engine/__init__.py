"""Benchmarks of the engine: ingest, throughput, telemetry, latency, clients and memory."""
