"""Motion of generated people: the skeleton, captured clips, and procedural gestures."""
