-- What private packages need besides: standings and owners, who there is, what they may, and what they did.

-- The account that started the project or was given it; NULL is nobody in particular.
ALTER TABLE projects ADD COLUMN owner TEXT;

CREATE INDEX projects_by_owner ON projects (owner) WHERE owner IS NOT NULL;

-- A file that was deleted keeps its row, so that its name stays used (R181).
ALTER TABLE files ADD COLUMN standing TEXT NOT NULL DEFAULT 'shown' CHECK (standing IN ('shown', 'hidden', 'deleted'));

ALTER TABLE files ADD COLUMN uploaded REAL NOT NULL DEFAULT 0;

-- A file name is looked for in all projects of an index before it is taken.
CREATE INDEX files_by_filename ON files (label, filename);

CREATE TABLE users (
    name TEXT NOT NULL PRIMARY KEY,
    password_hash TEXT NOT NULL,
    disabled INTEGER NOT NULL CHECK (disabled IN (0, 1))
) WITHOUT ROWID;

CREATE TABLE members (
    name TEXT NOT NULL,
    team TEXT NOT NULL,
    PRIMARY KEY (name, team)
) WITHOUT ROWID;

CREATE TABLE grants (
    subject TEXT NOT NULL,
    action TEXT NOT NULL,
    label TEXT NOT NULL,
    projects TEXT NOT NULL,
    PRIMARY KEY (subject, action, label, projects)
) WITHOUT ROWID;

-- Everybody may look and nobody may write. This is said once, here, so that what was taken back stays taken back.
INSERT INTO grants (subject, action, label, projects) VALUES ('anonymous', 'list', '*', '*'), ('anonymous', 'read', '*', '*');

-- `number` keeps the order in which tokens were made. Their secrets are not here, only what tells that a secret is the right one (S70).
CREATE TABLE tokens (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    account TEXT NOT NULL,
    secret_hash TEXT NOT NULL,
    scope TEXT NOT NULL,
    projects TEXT NOT NULL,
    created REAL NOT NULL,
    expires REAL,
    last_used REAL
);

-- The audit log (S78). The triggers below keep a mistake of ours from changing what it says.
CREATE TABLE deeds (
    number INTEGER PRIMARY KEY,
    time REAL NOT NULL,
    account TEXT NOT NULL,
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    done INTEGER NOT NULL CHECK (done IN (0, 1))
);

CREATE INDEX deeds_by_time ON deeds (time, number);

CREATE TRIGGER deeds_are_not_changed BEFORE UPDATE ON deeds BEGIN
    SELECT raise(ABORT, 'the audit log is only ever appended to');
END;

CREATE TRIGGER deeds_are_not_removed BEFORE DELETE ON deeds BEGIN
    SELECT raise(ABORT, 'the audit log is only ever appended to');
END;
