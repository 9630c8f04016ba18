"""Walking, running and jumping."""
