"""The compute device: pictures, precision, memory and timing."""
