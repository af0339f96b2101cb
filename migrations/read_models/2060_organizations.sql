-- Tenants: who reports and exports (E21, K3). A name is of an organization, so it is not sealed.
CREATE TABLE read.organizations (
    id                   uuid        NOT NULL,
    name                 text        NOT NULL,
    created_adminuser_id uuid        NOT NULL,
    created_at           timestamptz NOT NULL,
    sequence             bigint      NOT NULL,
    CONSTRAINT organizations_pkey PRIMARY KEY (id)
);
CREATE INDEX organizations_by_age ON read.organizations (created_at DESC, id DESC);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('organizations', 'organizations');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.organizations TO agora_projector;
GRANT SELECT ON read.organizations TO agora_reader, agora_auditor;
