-- Whose validators these are: another index could confirm by chance what it never said.
ALTER TABLE lists ADD COLUMN source TEXT NOT NULL DEFAULT '';
