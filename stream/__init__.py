"""The engine: from cameras to published results."""
