"""Detection of people, body parts and objects in pictures."""
