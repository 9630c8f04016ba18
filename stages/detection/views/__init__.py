"""What the detector sees of a frame: the choice of regions, their pictures, and the people found in them."""
