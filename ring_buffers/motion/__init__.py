"""Motion: where a camera's pictures move."""
