"""Programs that loads start: the command line of partstream with models of their own, and waves of subscribers."""
