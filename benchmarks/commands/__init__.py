"""The commands of the benchmarks, and the options that they share."""
