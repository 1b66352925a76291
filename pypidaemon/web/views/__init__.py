"""Pages for people: one module for each, in one frame, whose every value is escaped."""
