-- How many bytes each page and document takes, so that they can be bounded: those that were confirmed longest ago go first.
ALTER TABLE pages ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

UPDATE pages SET size = coalesce(
    (SELECT length(bodies.body) FROM bodies WHERE bodies.label = pages.label AND bodies.name = pages.name), 0
) WHERE fingerprint IS NOT NULL;

CREATE INDEX pages_by_time ON pages (label, fetched, name, size);

ALTER TABLE documents ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

UPDATE documents SET size = length(body);

CREATE INDEX documents_by_size ON documents (label, name, size);
