-- Projects, or releases of them, that are kept from eviction; an empty version is all of the project.
CREATE TABLE pins (
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    PRIMARY KEY (name, version)
) WITHOUT ROWID;
