"""MoveNet MultiPose: the network, its weights and its decoding."""
