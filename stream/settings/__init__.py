"""Settings by section. `stream.config` combines and reads them."""
