"""Language models, and the table of language priors that is built with them."""
