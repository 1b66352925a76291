-- Whose serials these are, and since when: those of another upstream cannot be compared with them (F22).
ALTER TABLE progress ADD COLUMN source TEXT NOT NULL DEFAULT '';

ALTER TABLE progress ADD COLUMN since REAL NOT NULL DEFAULT 0;

-- When the last run began, on record before it asked for anything.
ALTER TABLE progress ADD COLUMN begun REAL NOT NULL DEFAULT 0;
