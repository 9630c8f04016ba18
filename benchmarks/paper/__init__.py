"""Benchmark of the profile kinetics-tps against a plain loop."""
