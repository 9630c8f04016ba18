"""Cost of rules in the engine, and of trying them on recorded results."""
