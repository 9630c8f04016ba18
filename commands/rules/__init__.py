"""`partstream rules`: check rules files, and try them on recorded results."""
