"""Reading a fleet: its directory says which engine has which camera, and readers follow each camera as it moves."""
