"""Bodies to draw: shape, pose, clothing and hair."""
