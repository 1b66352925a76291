-- What must not be lost. Serials are numbers of one space per label (R68); times are seconds since the epoch.

-- The one row that names this instance, for Via (RFC 9110 section 7.6.3).
CREATE TABLE instance (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    identity TEXT NOT NULL
);

-- What was found out here about an upstream's files: pins and sidecars. NULL is "not known yet".
CREATE TABLE facts (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    digest TEXT,
    size INTEGER,
    metadata TEXT,
    metadata_broken INTEGER NOT NULL DEFAULT 0 CHECK (metadata_broken IN (0, 1)),
    PRIMARY KEY (label, name, filename)
) WITHOUT ROWID;

-- The serial that an index shows for a project, and the revision of the page that it was given for.
CREATE TABLE ledger (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    revision TEXT NOT NULL,
    serial INTEGER NOT NULL,
    time REAL NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

CREATE INDEX ledger_by_serial ON ledger (label, serial, name);

-- The projects of a local index. One without files stays: its name is claimed (law 3).
CREATE TABLE projects (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (label, name)
) WITHOUT ROWID;

-- Its files. `entry` is what the page says, as JSON; the digests in it stand beside it too, to be counted.
CREATE TABLE files (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    version TEXT NOT NULL,
    uploader TEXT NOT NULL,
    entry TEXT NOT NULL,
    digest TEXT,
    core_metadata TEXT,
    PRIMARY KEY (label, name, filename),
    FOREIGN KEY (label, name) REFERENCES projects (label, name) ON DELETE CASCADE
) WITHOUT ROWID;

CREATE INDEX files_by_digest ON files (digest);

CREATE INDEX files_by_core_metadata ON files (core_metadata);

-- Everything that ever happened to them; the last row of a label holds its highest serial.
CREATE TABLE history (
    label TEXT NOT NULL,
    serial INTEGER NOT NULL,
    name TEXT NOT NULL,
    version TEXT,
    time REAL NOT NULL,
    action TEXT NOT NULL,
    PRIMARY KEY (label, serial)
) WITHOUT ROWID;
