"""Generated keypoint sequences for training, with labels and simulated detector errors."""
