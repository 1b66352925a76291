-- Which databases beside this one were made, so that one that is gone is missed (F66).

CREATE TABLE made (
    word TEXT NOT NULL PRIMARY KEY
) WITHOUT ROWID;
