-- Exports that are to be made. A worker takes a row for as long as its lease lasts, and renews that;
-- whoever is killed loses it, and another begins anew. Rows go once their export has ended in the
-- log, which alone says how: this table may be lost, and costs time then, never an export.
CREATE TABLE process.export_jobs (
    job_id      uuid        NOT NULL,
    -- The event that asked for it: ids of what follows derive from this.
    cause       uuid        NOT NULL,
    -- Where that event stands in the log: the file shows at least so much.
    position    bigint      NOT NULL,
    -- How often it was taken: a number that no two attempts share.
    attempts    integer     NOT NULL DEFAULT 0,
    -- How often of those it was given back by a worker that was stopped: no failures.
    given_back  integer     NOT NULL DEFAULT 0,
    -- After a failure it waits.
    not_before  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- When the first attempt began.
    begun_at    timestamptz,
    -- Who makes it, and how long nobody else may.
    lease       uuid,
    lease_until timestamptz,
    -- Why the last attempt failed.
    last_code   text,
    CONSTRAINT export_jobs_pkey PRIMARY KEY (job_id)
);
CREATE INDEX export_jobs_due ON process.export_jobs (not_before, position);
GRANT SELECT, INSERT, UPDATE, DELETE ON process.export_jobs TO agora_writer;

-- Files show what the read tables hold. Processes connect as the writer, who reads all of it in the log
-- anyhow.
DO $$
BEGIN
    IF NOT pg_has_role('agora_writer', 'agora_reader', 'MEMBER') THEN
        GRANT agora_reader TO agora_writer;
    END IF;
EXCEPTION WHEN unique_violation OR internal_error THEN
    -- Another database of this cluster did so at the same instant.
    NULL;
END
$$;
