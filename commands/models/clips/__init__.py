"""Training on clips of people in the terminal: what was found in them, and the figures at the end."""
