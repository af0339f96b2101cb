-- E12. What is now: a changed list has replaced the one before, a deleted community has none (RUL-05).
CREATE TABLE read.community_rules (
    id           uuid        NOT NULL,
    community_id uuid        NOT NULL,
    rule_index   integer     NOT NULL CHECK (rule_index BETWEEN 1 AND 10),
    rule_text    text        NOT NULL,
    created_at   timestamptz NOT NULL,
    -- Of the list, not of the rule.
    sequence     bigint      NOT NULL,
    CONSTRAINT community_rules_pkey PRIMARY KEY (community_id, rule_index)
);

INSERT INTO read.projection_tables (projection, table_name)
VALUES ('community_rules', 'community_rules');

GRANT SELECT, INSERT, UPDATE, DELETE ON read.community_rules TO agora_projector;
GRANT SELECT ON read.community_rules TO agora_reader, agora_auditor;
