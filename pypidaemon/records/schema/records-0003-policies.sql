-- What policies go by: orders about packages, dates that were found out, entries that upstream took back, publishers.

CREATE TABLE rulings (
    kind TEXT NOT NULL CHECK (kind IN ('block', 'exempt')),
    target TEXT NOT NULL,
    reason TEXT NOT NULL,
    account TEXT NOT NULL,
    time REAL NOT NULL,
    until REAL,
    PRIMARY KEY (kind, target)
) WITHOUT ROWID;

-- When a file was uploaded, where its upstream does not say, and who says so.
ALTER TABLE facts ADD COLUMN upload_time TEXT;

ALTER TABLE facts ADD COLUMN dated_by TEXT;

-- What upstream lists no longer. `entry` is what it last said, as JSON.
CREATE TABLE withdrawn (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    entry TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (label, name, filename)
) WITHOUT ROWID;

-- The status (PEP 792) that upstream last gave a project of which something is withdrawn.
CREATE TABLE withdrawn_status (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    marker TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- Who was seen to attest the files of a project (PEP 740), and when first.
CREATE TABLE publishers (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    publisher TEXT NOT NULL,
    time REAL NOT NULL,
    PRIMARY KEY (label, name, publisher)
) WITHOUT ROWID;
