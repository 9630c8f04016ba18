"""The archive of results in Parquet files. Needs the extra `archive`; no other folder imports it."""
