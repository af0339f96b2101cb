-- Who is in which organization now (K3). Who is removed has no row; who is added again has a new added_at.
CREATE TABLE read.organization_memberships (
    organization_id uuid        NOT NULL,
    principal_kind  text        NOT NULL CHECK (principal_kind IN ('member', 'admin')),
    principal_id    uuid        NOT NULL,
    role            text        NOT NULL CHECK (role IN ('reporter', 'reader')),
    added_at        timestamptz NOT NULL,
    -- When the role was given.
    updated_at      timestamptz NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT organization_memberships_pkey
        PRIMARY KEY (organization_id, principal_kind, principal_id)
);
CREATE INDEX organization_memberships_by_age
    ON read.organization_memberships (organization_id, added_at DESC, principal_id DESC);
CREATE INDEX organization_memberships_of_principal
    ON read.organization_memberships (principal_id, principal_kind, organization_id);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('organization_memberships', 'organization_memberships');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.organization_memberships TO agora_projector;
GRANT SELECT ON read.organization_memberships TO agora_reader, agora_auditor;
