"""From access units to frames in the ring."""
