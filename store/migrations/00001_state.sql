-- All times are UTC, in unix milliseconds; 0 means "never".

-- +goose Up
-- "CTGR": tells our file from another program's SQLite file.
PRAGMA application_id = 1129596754;

CREATE TABLE settings (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE defaults (
    module TEXT NOT NULL,
    field  TEXT NOT NULL,
    value  TEXT NOT NULL,
    label  TEXT NOT NULL,
    PRIMARY KEY (module, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE currency_links (
    crm_id  TEXT    NOT NULL PRIMARY KEY,
    shop_id INTEGER NOT NULL,
    code    TEXT    NOT NULL,
    made_by TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE state_maps (
    shop_state     INTEGER NOT NULL PRIMARY KEY,
    so_status      TEXT    NOT NULL,
    invoice_status TEXT    NOT NULL
) STRICT;

-- One shop record has at most one link per module; several shop records may share one CRM record.
CREATE TABLE links (
    entity   TEXT    NOT NULL,
    shop_id  INTEGER NOT NULL,
    module   TEXT    NOT NULL,
    crm_id   TEXT    NOT NULL,
    key      TEXT    NOT NULL,
    mirrored TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (entity, shop_id, module)
) STRICT;
CREATE INDEX links_by_crm ON links (crm_id);

-- The outbox holds unfinished chains only, so this one index says: never two open chains for one shop record.
CREATE TABLE chains (
    id      INTEGER PRIMARY KEY,
    entity  TEXT    NOT NULL,
    shop_id INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    created INTEGER NOT NULL,
    UNIQUE (entity, shop_id)
) STRICT;

-- AUTOINCREMENT: an id is never used again, so a late answer cannot end another intent.
CREATE TABLE intents (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    chain        INTEGER NOT NULL REFERENCES chains (id) ON DELETE CASCADE,
    step         INTEGER NOT NULL,
    name         TEXT    NOT NULL,
    body         BLOB    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('open', 'done', 'dropped')),
    crm_id       TEXT    NOT NULL DEFAULT '',
    attempts     INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT    NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    link_entity  TEXT    NOT NULL,
    link_shop_id INTEGER NOT NULL,
    link_module  TEXT    NOT NULL,
    link_key     TEXT    NOT NULL,
    lookup_field TEXT    NOT NULL,
    lookup_value TEXT    NOT NULL,
    UNIQUE (chain, step)
) STRICT;

CREATE TABLE outcomes (
    entity   TEXT    NOT NULL,
    shop_id  INTEGER NOT NULL,
    state    TEXT    NOT NULL CHECK (state IN ('created', 'updated', 'unchanged', 'held', 'failed')),
    reason   TEXT    NOT NULL,
    detail   TEXT    NOT NULL,
    label    TEXT    NOT NULL,
    crm      TEXT    NOT NULL,
    sent     TEXT    NOT NULL,
    answer   TEXT    NOT NULL,
    attempts INTEGER NOT NULL,
    run      INTEGER NOT NULL,
    since    INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (entity, shop_id)
) STRICT;
CREATE INDEX outcomes_by_state ON outcomes (entity, state, reason);

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    kind          TEXT    NOT NULL,
    state         TEXT    NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'finished', 'interrupted', 'broken')),
    who           TEXT    NOT NULL,
    started       INTEGER NOT NULL,
    beat          INTEGER NOT NULL,
    ended         INTEGER NOT NULL,
    total         INTEGER NOT NULL,
    created       INTEGER NOT NULL,
    updated       INTEGER NOT NULL,
    unchanged     INTEGER NOT NULL,
    held          INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    cursor        INTEGER NOT NULL,
    options       TEXT    NOT NULL,
    message       TEXT    NOT NULL,
    workers       INTEGER NOT NULL,
    shop_requests INTEGER NOT NULL,
    crm_requests  INTEGER NOT NULL,
    closed        INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_kind ON runs (kind, id);

CREATE TABLE cursors (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- At most one row: whoever has it may write records. token tells one acquisition from the next.
CREATE TABLE lease (
    only    INTEGER NOT NULL PRIMARY KEY CHECK (only = 1),
    who     TEXT    NOT NULL,
    machine TEXT    NOT NULL,
    pid     INTEGER NOT NULL,
    token   TEXT    NOT NULL,
    ttl     INTEGER NOT NULL,
    run     INTEGER NOT NULL,
    beat    INTEGER NOT NULL,
    request TEXT    NOT NULL
) STRICT;

CREATE TABLE log (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    level   TEXT    NOT NULL,
    run     INTEGER NOT NULL,
    entity  TEXT    NOT NULL,
    shop_id INTEGER NOT NULL,
    label   TEXT    NOT NULL,
    state   TEXT    NOT NULL,
    message TEXT    NOT NULL
) STRICT;

-- What a feed has already carried, so that overlapping reads change nothing.
CREATE TABLE seen (
    feed TEXT    NOT NULL,
    key  TEXT    NOT NULL,
    at   INTEGER NOT NULL,
    PRIMARY KEY (feed, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_by_age ON seen (at);

-- Facts about this file itself, e.g. that it is a backup.
CREATE TABLE facts (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
