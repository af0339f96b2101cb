-- What each service may do. The services own nothing; deploy gives the roles their passwords.
-- Roles belong to the whole cluster, so another database may have made them already.
DO $$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY['agora_writer', 'agora_projector', 'agora_reader', 'agora_auditor']
    LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;
        END;
    END LOOP;
END
$$;

CREATE SCHEMA log;
GRANT USAGE ON SCHEMA log TO agora_writer, agora_projector, agora_reader, agora_auditor;
