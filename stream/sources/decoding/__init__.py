"""Decoding: from access units to frames in the ring."""
