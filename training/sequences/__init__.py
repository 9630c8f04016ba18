"""Sequences of people's steps with targets, and as the network takes them."""
