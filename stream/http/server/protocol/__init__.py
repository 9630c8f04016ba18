"""Below the requests: which connections may be open, and the answers to what is not valid HTTP."""
