"""Trees of plain files that any web server can deliver as an index."""
