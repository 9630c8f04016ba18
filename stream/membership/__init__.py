"""Membership of an engine in a fleet: messages to and from the controller, addresses, and passes of viewers."""
