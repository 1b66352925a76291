"""The mind of the simple API: pages and lists read, compared and written, without any input or output of its own."""
