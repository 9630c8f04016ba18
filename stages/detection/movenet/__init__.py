"""MoveNet MultiPose: the network, its weights and the decoding of its outputs."""
