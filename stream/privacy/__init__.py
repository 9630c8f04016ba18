"""Privacy: the one boundary between a camera's pixels and everything that leaves the engine (docs/privacy.md)."""
