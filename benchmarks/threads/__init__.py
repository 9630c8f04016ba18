"""CPU time of each thread of an engine."""
