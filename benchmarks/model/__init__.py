"""Benchmarks of models: cost by stage, sustained rates, and detection of drawn people."""
