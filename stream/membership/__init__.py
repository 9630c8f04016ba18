"""What an engine of a fleet has to know: messages of the controller, generations of cameras, and passes of viewers."""
