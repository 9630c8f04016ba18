"""Generated motion, rendered people, and data sets made from them."""
