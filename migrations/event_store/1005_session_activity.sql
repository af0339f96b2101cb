-- When a session was last used: for the idle timeout (SES-10). Not a fact of the log: what is lost
-- costs somebody a minute of idleness.
CREATE TABLE log.session_activity (
    session_id   uuid        NOT NULL,
    last_used_at timestamptz NOT NULL,
    CONSTRAINT session_activity_pkey PRIMARY KEY (session_id)
) WITH (fillfactor = 70);

GRANT SELECT, INSERT, UPDATE, DELETE ON log.session_activity TO agora_writer;
GRANT SELECT, INSERT, UPDATE ON log.session_activity TO agora_reader;
