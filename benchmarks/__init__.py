"""Benchmarks of partstream against a bare loop and other programs, in one run on one machine."""
