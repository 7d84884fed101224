-- Runs, what they gave, and what is known beside them.
--
-- A prediction's number is run << 32 | position: rows of a run lie together in the order of their positions, and a number
-- finds a row in all three tables. What is read often is narrow (`scores`), what is read seldom is apart (`prompts`).

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    key           TEXT NOT NULL UNIQUE,
    spec          TEXT NOT NULL,                     -- JSON
    status        TEXT NOT NULL,
    reason        TEXT,
    samples       INTEGER NOT NULL,
    done          INTEGER NOT NULL DEFAULT 0,
    failed        INTEGER NOT NULL DEFAULT 0,
    cached        INTEGER NOT NULL DEFAULT 0,
    fell_back     INTEGER NOT NULL DEFAULT 0,
    input_cut     INTEGER NOT NULL DEFAULT 0,
    unparsed      INTEGER NOT NULL DEFAULT 0,
    prompt_tokens INTEGER NOT NULL DEFAULT 0,
    new_tokens    INTEGER NOT NULL DEFAULT 0,
    created_ms    INTEGER NOT NULL,
    finished_ms   INTEGER,
    active_ms     INTEGER NOT NULL DEFAULT 0,
    aggregate     TEXT                               -- JSON
) STRICT;

CREATE TABLE predictions (
    id               INTEGER PRIMARY KEY,
    sample_id        TEXT NOT NULL,
    profile_entries  INTEGER NOT NULL,
    retrieved        TEXT NOT NULL,                  -- JSON: [[place, id], …]
    retrieved_scores BLOB,                           -- 64-bit floats, little-endian; NaN where there is none
    raw              TEXT NOT NULL,
    answer           TEXT NOT NULL,
    reference        TEXT,
    parsed           INTEGER NOT NULL,
    finish           TEXT NOT NULL,
    prompt_tokens    INTEGER NOT NULL,
    new_tokens       INTEGER NOT NULL,
    model_ms         REAL NOT NULL,
    cached           INTEGER NOT NULL,
    fell_back        INTEGER NOT NULL,
    input_cut        INTEGER NOT NULL,
    error            TEXT
) STRICT;

CREATE TABLE scores (
    id     INTEGER PRIMARY KEY,
    failed INTEGER NOT NULL,
    score  BLOB                                      -- the task's kind in a byte, then 64-bit floats, little-endian
) STRICT;

CREATE TABLE prompts (
    id     INTEGER PRIMARY KEY,
    text   TEXT NOT NULL,
    report TEXT NOT NULL                             -- JSON
) STRICT;

CREATE TABLE metric_columns (
    id        INTEGER PRIMARY KEY,
    run       INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    metric    TEXT NOT NULL,
    positions BLOB NOT NULL,                         -- pairs of first position and length, 32 bits each, little-endian
    numbers   BLOB NOT NULL,                         -- 64-bit floats, little-endian
    UNIQUE (run, metric)
) STRICT;

CREATE TABLE answers (
    id            INTEGER PRIMARY KEY,
    key           BLOB NOT NULL UNIQUE,
    raw           TEXT NOT NULL,
    finish        TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    new_tokens    INTEGER NOT NULL
) STRICT;

CREATE TABLE events (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER REFERENCES runs (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    kind  TEXT NOT NULL,
    text  TEXT NOT NULL
) STRICT;
CREATE INDEX events_of_run ON events (run);

CREATE TABLE experiments (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    toml TEXT NOT NULL
) STRICT;

CREATE TABLE links (
    id         INTEGER PRIMARY KEY,
    experiment INTEGER NOT NULL REFERENCES experiments (id) ON DELETE CASCADE,
    run        INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    UNIQUE (experiment, run)
) STRICT;
CREATE INDEX links_of_run ON links (run);

CREATE TABLE tunings (
    id      INTEGER PRIMARY KEY,
    applied TEXT NOT NULL UNIQUE,                    -- the key of the winner's run
    tuning  TEXT NOT NULL                            -- JSON
) STRICT;
