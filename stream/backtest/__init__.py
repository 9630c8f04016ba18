"""Back-tests: rules applied to recorded results, to tell how often they would have raised an alert, and when."""
