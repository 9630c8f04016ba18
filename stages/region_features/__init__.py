"""Features of image regions: RoIAlign over feature maps, and VGG-16."""
