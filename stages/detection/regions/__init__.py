"""Detection of people, body parts and objects as regions, which belong to people by their places."""
