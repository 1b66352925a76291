-- How far this database has come in the chronicle beside it, and of which chronicle: an older copy of one is told from a stranger's (F66, F67).
CREATE TABLE chronicled (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    origin TEXT NOT NULL,
    line INTEGER NOT NULL
);
