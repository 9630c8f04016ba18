"""The socket that subscribers connect to."""
