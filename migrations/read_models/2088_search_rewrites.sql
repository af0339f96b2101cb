-- That search tables are to be written anew, so that no dead row holds words of somebody who is erased.
-- Whoever erases asks; projectors do it, once for all who have asked by then.
CREATE TABLE search.rewrites (
    number       bigint      GENERATED ALWAYS AS IDENTITY,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at      timestamptz,
    CONSTRAINT rewrites_pkey PRIMARY KEY (number)
);
CREATE INDEX rewrites_waiting ON search.rewrites (number) WHERE done_at IS NULL;
GRANT SELECT, INSERT ON search.rewrites TO agora_writer;
GRANT SELECT, UPDATE (done_at) ON search.rewrites TO agora_projector;

-- The process that erases takes the words out itself.
GRANT USAGE ON SCHEMA search TO agora_writer;
GRANT EXECUTE ON FUNCTION search.forget_subject TO agora_writer;
