"""`partstream config`: check, write and describe configurations."""
