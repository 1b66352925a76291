"""Moving in: what an older tool has kept, found where it lies, checked, and taken into an index here (S3 of switching.md)."""
