"""The result files of the benchmark: reading, checking, and their errors."""
