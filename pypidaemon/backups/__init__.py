"""All that must not be lost in one file, taken while a daemon works, and brought back into an empty folder (F93, F94)."""
