"""CURVE encryption and the list of allowed clients."""
