"""Benchmark of the kinetics-tps profile against a plain loop."""
