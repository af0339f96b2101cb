-- E06. Nothing personal (GST-01). session_signature is the digest of what the guest holds: unique, and
-- of no use to whoever reads it. updated_at: last activity, noted at most once an hour.
CREATE TABLE read.guests (
    id                uuid        NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    deleted_at        timestamptz,
    session_signature text,
    sequence          bigint      NOT NULL,
    CONSTRAINT guests_pkey PRIMARY KEY (id)
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX guests_by_signature ON read.guests (session_signature)
    WHERE session_signature IS NOT NULL;
CREATE INDEX guests_by_age ON read.guests (created_at DESC, id DESC);

-- Of each day (UTC), how many guests were new, and how many members registered who were guests until
-- then. Sums only: who became whom stands nowhere (GST-06).
CREATE TABLE read.guest_conversion_counts (
    day                date   NOT NULL,
    guests_first_seen  bigint NOT NULL,
    members_registered bigint NOT NULL,
    CONSTRAINT guest_conversion_counts_pkey PRIMARY KEY (day)
) WITH (fillfactor = 50);

INSERT INTO read.projection_tables (projection, table_name) VALUES
    ('guest_conversion_counts', 'guest_conversion_counts'),
    ('guests', 'guests');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.guests, read.guest_conversion_counts
    TO agora_projector;
GRANT SELECT ON read.guests, read.guest_conversion_counts TO agora_reader, agora_auditor;
