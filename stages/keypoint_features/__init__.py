"""Features computed from keypoints: geometry of parts, people and their surroundings."""
