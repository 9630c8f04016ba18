"""One module a contender. Each is a program: `python -m benchmarks.contenders.NAME SPEC.json`, one process a run."""
