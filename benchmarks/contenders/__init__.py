"""Contenders, one module each: `python -m benchmarks.contenders.NAME SPEC.json` runs once in a new process."""
