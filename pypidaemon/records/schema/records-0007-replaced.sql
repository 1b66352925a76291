-- Files of which an upstream promises other bytes than those first seen under their names. `other` is '' where it does not say which.
CREATE TABLE replaced (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    other TEXT NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (label, name, filename)
) WITHOUT ROWID;
