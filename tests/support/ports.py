"""Ports for servers that are stopped and started again, or of which the address must be known before they start."""

from __future__ import annotations

from benchmarks.fleet.ports import reserved_port

__all__ = ["reserved_port"]
