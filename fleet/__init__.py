"""A fleet: the cameras of many engines as one system."""
