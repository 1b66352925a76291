"""What is known and must be found again: pages, facts, serials and files, in SQLite or in memory."""
