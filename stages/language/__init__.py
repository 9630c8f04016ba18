"""Language models and the table of priors over part states."""
