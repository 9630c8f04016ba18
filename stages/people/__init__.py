"""Tracked people, made from detections."""
