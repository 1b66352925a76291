-- Small documents that change, such as provenance (PEP 740).
CREATE TABLE documents (
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    body BLOB NOT NULL,
    fresh_until REAL NOT NULL,
    PRIMARY KEY (label, name, filename)
) WITHOUT ROWID;
