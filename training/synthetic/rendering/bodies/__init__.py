"""Bodies for rendering: shape, pose, clothing and hair."""
