"""`partstream doctor`: each check is a function that returns findings."""
