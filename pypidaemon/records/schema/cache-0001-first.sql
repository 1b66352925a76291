-- What upstreams last said. All of it may be lost at the cost of asking again (law 8). Times are seconds since the epoch.

-- One row per project asked for. A row without a fingerprint is a remembered absence.
CREATE TABLE pages (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint BLOB,
    fetched REAL NOT NULL,
    fresh_until REAL NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- The pages themselves stand apart, so that a new time does not rewrite a long page.
CREATE TABLE bodies (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (label, name)
);

-- The project list of each label: the digest of the blob that holds it, and what was said with it.
CREATE TABLE lists (
    label TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT,
    serial INTEGER NOT NULL,
    fetched REAL NOT NULL,
    fresh_until REAL NOT NULL
) WITHOUT ROWID;
