-- Restores of this database from a backup. While one is unfinished nothing serves from it: erasures that
-- the backup does not know are still to be carried out again (DDR-16).
CREATE TABLE log.restores (
    number      integer     NOT NULL GENERATED ALWAYS AS IDENTITY,
    -- Which backup, by its time.
    backup      text        NOT NULL,
    began_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CONSTRAINT restores_pkey PRIMARY KEY (number)
);
GRANT SELECT ON log.restores TO agora_writer, agora_projector, agora_reader, agora_auditor;
