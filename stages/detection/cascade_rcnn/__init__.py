"""Cascade R-CNN: mmdet's networks and the arithmetic between them."""
