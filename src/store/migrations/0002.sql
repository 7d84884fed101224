-- Models behind endpoints: how their answers ended, what they cost, and where tokens were only estimated.

ALTER TABLE predictions ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE answers ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;

ALTER TABLE runs ADD COLUMN asked_prompt_tokens INTEGER NOT NULL DEFAULT 0; -- of answers that the model gave for this run
ALTER TABLE runs ADD COLUMN asked_new_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN at_limit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN filtered INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN refused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN empty INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN price_in REAL;                                  -- for a million tokens
ALTER TABLE runs ADD COLUMN price_out REAL;

UPDATE runs SET (asked_prompt_tokens, asked_new_tokens, at_limit, empty) = (
    SELECT coalesce(sum(p.prompt_tokens * (p.error IS NULL AND NOT p.cached)), 0),
           coalesce(sum(p.new_tokens * (p.error IS NULL AND NOT p.cached)), 0),
           coalesce(sum(p.error IS NULL AND p.finish = 'length'), 0),
           coalesce(sum(p.error IS NULL AND p.raw = ''), 0)
    FROM predictions p WHERE p.id BETWEEN runs.id << 32 AND (runs.id << 32) + 4294967295
);
