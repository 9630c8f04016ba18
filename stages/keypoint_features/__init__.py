"""Features computed from keypoints: the geometry and movement of parts and whole people."""
