"""NanoDet-g: a small detector of people and COCO's other 79 classes."""
