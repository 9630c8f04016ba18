"""Which files an engine reads and writes."""
