"""Video files: their frames as a camera would deliver them, and those frames through a model."""
