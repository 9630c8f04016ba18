"""How commands ask servers over HTTP."""
