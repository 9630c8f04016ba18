"""Training of the VGG-16 that regions are read with on a folder's annotated boxes, before heads read its features."""
