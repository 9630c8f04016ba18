"""From detections to tracked people."""
