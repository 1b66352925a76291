-- What mirrors hold. A `body` is upstream's page with the files that are here, and the documents, compressed; times are seconds since the epoch.
CREATE TABLE mirrored (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    serial INTEGER NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    taken REAL NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- The pages stand apart, so that the names and serials of a large mirror are read without them.
CREATE TABLE mirrored_pages (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (label, name),
    FOREIGN KEY (label, name) REFERENCES mirrored (label, name) ON DELETE CASCADE
);

-- Every blob that a mirror needs, by its sha256 as 32 bytes. `part` is what needs it: what is offered, or a row of `leaving`, for a project or a file.
CREATE TABLE mirrored_blobs (
    digest BLOB NOT NULL,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    part TEXT NOT NULL CHECK (part IN ('offered', 'project', 'file')),
    kind TEXT NOT NULL CHECK (kind IN ('file', 'metadata', 'document')),
    filename TEXT NOT NULL
);

-- There may be tens of millions, so these indexes hold no more than they must.
CREATE INDEX mirrored_blobs_by_digest ON mirrored_blobs (digest);

CREATE INDEX mirrored_blobs_by_project ON mirrored_blobs (label, name);

-- What upstream took away: no longer offered, and kept for a while. An empty file name is the whole project.
CREATE TABLE leaving (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    serial INTEGER NOT NULL,
    complete INTEGER NOT NULL CHECK (complete IN (0, 1)),
    taken REAL NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (label, name, filename)
);

CREATE TABLE mirror_pins (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- What a run has still to do, and why it could not yet.
CREATE TABLE waiting (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    serial INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    due REAL NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- How far each mirror has come.
CREATE TABLE progress (
    label TEXT NOT NULL PRIMARY KEY,
    serial INTEGER NOT NULL,
    etag TEXT,
    last_modified TEXT,
    selection TEXT NOT NULL,
    started REAL NOT NULL,
    tried REAL NOT NULL,
    outcome TEXT NOT NULL,
    listed INTEGER NOT NULL
) WITHOUT ROWID;
