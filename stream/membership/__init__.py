"""What an engine of a fleet has to know: messages of the controller, its addresses, and passes of viewers."""
