"""Results kept as Parquet files, to ask about later. Needs the extra `bridge`; nothing else of stream imports it."""
