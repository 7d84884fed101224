-- What judges said of runs.

CREATE TABLE judgings (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice
    key        TEXT NOT NULL UNIQUE,
    spec       TEXT NOT NULL,                     -- JSON
    first_run  INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    second_run INTEGER REFERENCES runs (id) ON DELETE CASCADE,
    samples    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    price_in   REAL,                              -- for a million tokens
    price_out  REAL
) STRICT;
CREATE INDEX judgings_of_first_run ON judgings (first_run);
CREATE INDEX judgings_of_second_run ON judgings (second_run);

CREATE TABLE verdicts (
    id            INTEGER PRIMARY KEY,
    judging       INTEGER NOT NULL REFERENCES judgings (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    turn          INTEGER NOT NULL,               -- 1 where the second run's answer was shown first
    sample_id     TEXT NOT NULL,
    raw           TEXT NOT NULL,
    reading       TEXT,                           -- 1 to 5, a, b, tie, same; nothing where it is not clear
    finish        TEXT NOT NULL,
    prompt_tokens INTEGER NOT NULL,
    new_tokens    INTEGER NOT NULL,
    estimated     INTEGER NOT NULL,
    cached        INTEGER NOT NULL,
    error         TEXT,
    UNIQUE (judging, position, turn)
) STRICT;
