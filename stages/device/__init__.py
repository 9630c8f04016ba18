"""The compute device: transfers, precision, memory and timing."""
