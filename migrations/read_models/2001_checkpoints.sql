-- How far each projection is, and what of it a reader may trust.
--
-- A read is ONE statement in READ COMMITTED that asks for read.served_position(…) and the rows
-- together: then both come from one snapshot, which Postgres takes after the statement holds its
-- locks, so that a rebuild's swap comes either before or after it. A transaction of several
-- statements in REPEATABLE READ must first LOCK its tables IN ACCESS SHARE MODE, because a snapshot
-- older than a swap does not see the rows of the tables that were swapped in.
CREATE SCHEMA read;
-- Where a rebuild makes its tables, beside the live ones.
CREATE SCHEMA read_build;
GRANT USAGE ON SCHEMA read TO agora_projector, agora_reader, agora_auditor, agora_writer;
GRANT USAGE ON SCHEMA read_build TO agora_projector;

CREATE TABLE read.checkpoints (
    projection      text        NOT NULL,
    -- Of the code that made the rows. Code of another version does not touch them: rebuild first.
    version         integer     NOT NULL,
    -- Raised by every swap of a rebuild, so that who knows the old tables can't write to the new.
    generation      bigint      NOT NULL DEFAULT 1,
    -- Everything up to here is in the tables. What is in them may be newer: see served_position.
    position        bigint      NOT NULL DEFAULT 0,
    state           text        NOT NULL CHECK (state IN ('running', 'catching_up', 'stopped')),
    error           text,
    -- The event that could not be applied.
    poison_position bigint,
    updated_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checkpoints_pkey PRIMARY KEY (projection)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

-- One row: what all running projections have seen. It moves in the transaction of every batch,
-- while the checkpoint of a projection that the batch did not touch follows within a second.
CREATE TABLE read.progress (
    only_row   boolean     NOT NULL DEFAULT true CHECK (only_row),
    position   bigint      NOT NULL,
    -- Raised whenever a projection starts, stops or is swapped: who moves the position must know.
    edition    bigint      NOT NULL,
    -- Of the log that the position belongs to.
    epoch      uuid        NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT progress_pkey PRIMARY KEY (only_row)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
INSERT INTO read.progress (position, edition, epoch)
SELECT 0, 1, epoch FROM log.epochs ORDER BY number DESC LIMIT 1;

-- Which table belongs to which projection: what a rebuild builds and swaps.
CREATE TABLE read.projection_tables (
    projection text NOT NULL,
    table_name text NOT NULL,
    CONSTRAINT projection_tables_pkey PRIMARY KEY (table_name)
);
CREATE INDEX projection_tables_by_projection ON read.projection_tables (projection);

-- The position up to which a projection's tables hold every event. NULL: there is no such projection.
--
-- A running projection has seen all that the progress row counts, whether or not an event was for it.
-- One that is stopped or catching up has seen only what its own checkpoint says.
CREATE FUNCTION read.served_position(p_projection text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN c.state = 'running' THEN greatest(c.position, p.position) ELSE c.position END
    FROM read.checkpoints c CROSS JOIN read.progress p
    WHERE c.projection = p_projection;
END;

GRANT SELECT, INSERT, UPDATE ON read.checkpoints TO agora_projector;
GRANT SELECT, UPDATE ON read.progress TO agora_projector;
GRANT SELECT ON read.projection_tables TO agora_projector;
GRANT SELECT ON read.checkpoints, read.progress, read.projection_tables
    TO agora_reader, agora_auditor, agora_writer;
REVOKE EXECUTE ON FUNCTION read.served_position FROM PUBLIC;
GRANT EXECUTE ON FUNCTION read.served_position
    TO agora_projector, agora_reader, agora_auditor, agora_writer;
