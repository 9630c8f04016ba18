"""Benchmarks of the engine: ingest, throughput and end to end."""
