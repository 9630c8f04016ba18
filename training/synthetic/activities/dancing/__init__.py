"""Dancing and cartwheels."""
