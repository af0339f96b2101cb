-- Every read asks for it, mostly for several projections. A function in SQL is planned anew in each
-- statement that calls it, which cost more than many a read itself; one in PL/pgSQL keeps its plan as
-- long as the session lasts. It is STABLE as before: it sees the snapshot of the statement that asks.
CREATE OR REPLACE FUNCTION read.served_position(p_projection text) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    RETURN (
        SELECT CASE WHEN c.state = 'running' THEN greatest(c.position, p.position)
                    ELSE c.position END
        FROM read.checkpoints c CROSS JOIN read.progress p
        WHERE c.projection = p_projection);
END
$$;
