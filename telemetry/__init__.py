"""Metrics, health, logs and traces. Imports none of the engine's packages."""
