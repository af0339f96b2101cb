-- Up to which time of security records what was found in them is in the log. Apart from
-- process.checkpoints, whose positions are those of the log.
CREATE TABLE process.detection (
    only_row   boolean     NOT NULL DEFAULT true CHECK (only_row),
    told_until timestamptz NOT NULL,
    CONSTRAINT detection_pkey PRIMARY KEY (only_row)
);
GRANT SELECT, INSERT, UPDATE ON process.detection TO agora_writer;
