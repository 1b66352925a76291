-- Which of upstreams' files are held, and when each was last asked for (F51). Losing it costs the order in which they are evicted.
CREATE TABLE uses (
    digest TEXT NOT NULL PRIMARY KEY,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    size INTEGER NOT NULL,
    used REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX uses_by_time ON uses (used, digest);
CREATE INDEX uses_by_name ON uses (name);
