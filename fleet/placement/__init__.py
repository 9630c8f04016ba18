"""Which engine has which camera: a state machine without input or output, to which times are given as arguments."""
