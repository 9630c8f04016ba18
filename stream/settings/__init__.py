"""What a user can set, by section. `stream.config` puts them together and reads them."""
