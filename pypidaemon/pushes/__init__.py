"""What was published here brought to another index by the legacy upload, as an uploader would: never twice, and never over anything else (N7)."""
