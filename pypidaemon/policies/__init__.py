"""Rules on what an index shows: one module for each question that a rule asks of a project or file."""
