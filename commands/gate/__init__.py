"""`partstream gate`: compare a new checkpoint with the one in use."""
