"""Growth of the engine's memory: each module is one kind of load, `python -m benchmarks.engine.memory` runs them."""
