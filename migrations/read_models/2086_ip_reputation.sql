-- What is known of addresses and networks (E26), as their last events have it: each carries all of it.
-- Score and risk level are of a time and computed for it, from the record's entries (IPR-13). Sealed
-- (ip_address) in the record: address, geolocation, asn_info, notes.
CREATE TABLE read.ip_reputation (
    id         uuid        NOT NULL,
    record     jsonb       NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    -- Of the last event: who follows the lists asks for what has a later one.
    position   bigint      NOT NULL,
    sequence   bigint      NOT NULL,
    CONSTRAINT ip_reputation_pkey PRIMARY KEY (id)
);
CREATE INDEX ip_reputation_changed ON read.ip_reputation (position);

INSERT INTO read.projection_tables (projection, table_name) VALUES ('ip_reputation', 'ip_reputation');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.ip_reputation TO agora_projector;
GRANT SELECT ON read.ip_reputation TO agora_reader, agora_auditor, agora_writer;
