"""Training of the VGG-16 that reads regions, on the annotated boxes of a folder in the Kinetics-TPS layout."""
