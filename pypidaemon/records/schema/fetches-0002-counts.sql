-- How often files were taken whole, by day in UTC. Nothing here is about anybody.
CREATE TABLE downloads (
    day TEXT NOT NULL,
    label TEXT NOT NULL,
    name TEXT NOT NULL,
    filename TEXT NOT NULL,
    agent TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (day, label, name, filename, agent)
) WITHOUT ROWID;
