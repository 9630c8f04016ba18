"""Standing still, and standing with small movements."""
