"""Results kept as Parquet files, to ask about later. Needs the extra `archive`; nothing else of stream imports it."""
