"""Generated motion, drawn people, and data sets made of them."""
