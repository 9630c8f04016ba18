"""Growth of the engine's memory. Each module is a kind of load; `python -m benchmarks.engine.memory` runs them."""
