-- Which files clients took. Times are seconds since the epoch.
CREATE TABLE fetches (
    number INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    filename TEXT NOT NULL,
    digest TEXT
);

CREATE INDEX fetches_by_name ON fetches (name, version, time);

CREATE INDEX fetches_by_digest ON fetches (digest, time) WHERE digest IS NOT NULL;

CREATE INDEX fetches_by_time ON fetches (time);
