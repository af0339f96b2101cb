-- Streams are found by two 64-bit hashes of their name instead of by the name itself. Stream names
-- are long and in no order, so their index was a fifth of the log and most of the cost of an append
-- that is not the event's own. Two different names have equal hashes once in 2^128.
--
-- hashtextextended has been the same in all versions of Postgres since 11. Should a release notice
-- say that it changes, reindex log.events_stream_key after the upgrade, as for hash indexes.
ALTER TABLE log.events DROP CONSTRAINT events_stream_key;
CREATE UNIQUE INDEX events_stream_key ON log.events (
    hashtextextended(aggregate_type || '/' || aggregate_id, 0),
    hashtextextended(aggregate_type || '/' || aggregate_id, 1),
    sequence
);
-- What the index over the name itself had bounded.
ALTER TABLE log.events ADD CONSTRAINT events_aggregate_id_length
    CHECK (octet_length(aggregate_id) BETWEEN 1 AND 512);

-- The events of one stream; in no order. Put in place of log.events where a stream is read: the
-- planner takes the function apart, so that conditions and order on its columns use the index.
CREATE FUNCTION log.stream(p_aggregate_type text, p_aggregate_id text) RETURNS SETOF log.events
LANGUAGE sql STABLE
AS $$
    SELECT * FROM log.events e
    WHERE hashtextextended(e.aggregate_type || '/' || e.aggregate_id, 0)
              = hashtextextended(p_aggregate_type || '/' || p_aggregate_id, 0)
      AND hashtextextended(e.aggregate_type || '/' || e.aggregate_id, 1)
              = hashtextextended(p_aggregate_type || '/' || p_aggregate_id, 1)
$$;
REVOKE EXECUTE ON FUNCTION log.stream FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.stream
    TO agora_writer, agora_projector, agora_reader, agora_auditor;

-- As before, but for the way in which the last sequence of a stream is found.
CREATE OR REPLACE FUNCTION log.append(
    p_known           bigint,
    p_event_unit      integer[],
    p_event_id        uuid[],
    p_aggregate_type  text[],
    p_aggregate_id    text[],
    p_sequence        bigint[],
    p_opens           boolean[],
    p_event_type      text[],
    p_event_version   text[],
    p_payload         text[],
    p_metadata        text[],
    p_guard_unit      integer[],
    p_guard_key       bigint[],
    p_guard_known     bigint[],
    p_take_unit       integer[],
    p_take_scope      text[],
    p_take_key        text[],
    p_take_id         text[],
    p_release_unit    integer[],
    p_release_scope   text[],
    p_release_id      text[],
    p_receipt_unit    integer[],
    p_receipt_principal text[],
    p_receipt_key     text[],
    p_receipt_hmac    bytea[],
    p_receipt_reply   text[],
    p_resent_unit     integer[],
    OUT head          bigint,
    OUT recorded_at   timestamptz,
    OUT refused_unit  integer[],
    OUT refused_why   text[],
    OUT refused_detail text[]
)
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
-- Over-estimated unnests start the JIT for milliseconds a statement, and a plan cached while the
-- table was empty would scan it for ever.
SET jit = off
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
DECLARE
    v_last_recorded_at timestamptz;
    v_recorded_text    text;
    -- Which events are written: their places in the arrays.
    v_written          integer[];
    v_written_unit     integer[];
    v_unit             integer[];
    v_why              text[];
    v_detail           text[];
BEGIN
    -- The head lock ('agora' in ASCII); held until commit.
    PERFORM pg_advisory_xact_lock(418347184737);

    SELECT e.position, e.recorded_at INTO head, v_last_recorded_at
    FROM events e ORDER BY e.position DESC LIMIT 1;
    head := coalesce(head, 0);
    recorded_at := greatest(clock_timestamp(), v_last_recorded_at);
    refused_unit := '{}';
    refused_why := '{}';
    refused_detail := '{}';

    IF head < p_known THEN
        -- What the caller knows is of a history that is lost: nothing that rests on it may pass.
        SELECT array_agg(DISTINCT u.unit) INTO refused_unit
        FROM unnest(p_event_unit || p_guard_unit) AS u(unit);
        refused_unit := coalesce(refused_unit, '{}');
        refused_why := array_fill('guard'::text, ARRAY[cardinality(refused_unit)]);
        refused_detail := array_fill(NULL::text, ARRAY[cardinality(refused_unit)]);
        RETURN;
    END IF;

    IF cardinality(p_resent_unit) > 0 THEN
        SELECT array_agg(w.unit), array_agg('written'::text), array_agg(w.position::text)
        INTO v_unit, v_why, v_detail
        FROM (
            SELECT u.unit, min(e.position) AS position
            FROM unnest(p_event_unit, p_event_id) AS u(unit, event_id)
            CROSS JOIN LATERAL (
                SELECT x.position FROM events x WHERE x.event_id = u.event_id LIMIT 1
            ) e
            WHERE u.unit = ANY (p_resent_unit)
            GROUP BY u.unit
        ) w;
        refused_unit := refused_unit || coalesce(v_unit, '{}');
        refused_why := refused_why || coalesce(v_why, '{}');
        refused_detail := refused_detail || coalesce(v_detail, '{}');
    END IF;

    IF cardinality(p_receipt_unit) > 0 THEN
        SELECT array_agg(u.unit), array_agg('receipt'::text),
               array_agg(json_build_object('request_hmac', encode(r.request_hmac, 'hex'),
                   'reply', r.reply, 'first_position', r.first_position)::text)
        INTO v_unit, v_why, v_detail
        FROM unnest(p_receipt_unit, p_receipt_principal, p_receipt_key) AS u(unit, principal, key)
        CROSS JOIN LATERAL (
            SELECT x.request_hmac, x.reply, x.first_position FROM receipts x
            WHERE x.principal = u.principal AND x.idempotency_key = u.key
              AND x.recorded_at > append.recorded_at - interval '24 hours'
            LIMIT 1
        ) r
        WHERE u.unit <> ALL (refused_unit);
        refused_unit := refused_unit || coalesce(v_unit, '{}');
        refused_why := refused_why || coalesce(v_why, '{}');
        refused_detail := refused_detail || coalesce(v_detail, '{}');
    END IF;

    SELECT array_agg(DISTINCT p_event_unit[i]) INTO v_unit
    FROM generate_series(1, cardinality(p_event_unit)) AS i
    LEFT JOIN LATERAL (
        SELECT x.sequence FROM events x
        WHERE hashtextextended(x.aggregate_type || '/' || x.aggregate_id, 0)
                  = hashtextextended(p_aggregate_type[i] || '/' || p_aggregate_id[i], 0)
          AND hashtextextended(x.aggregate_type || '/' || x.aggregate_id, 1)
                  = hashtextextended(p_aggregate_type[i] || '/' || p_aggregate_id[i], 1)
        ORDER BY x.sequence DESC LIMIT 1
    ) e ON true
    WHERE p_opens[i] AND coalesce(e.sequence, 0) <> p_sequence[i] - 1;
    IF v_unit IS NOT NULL THEN
        SELECT array_agg(u.unit) INTO v_unit FROM unnest(v_unit) u(unit)
        WHERE u.unit <> ALL (refused_unit);
        refused_unit := refused_unit || coalesce(v_unit, '{}');
        refused_why := refused_why || array_fill('sequence'::text, ARRAY[coalesce(cardinality(v_unit), 0)]);
        refused_detail := refused_detail || array_fill(NULL::text, ARRAY[coalesce(cardinality(v_unit), 0)]);
    END IF;

    IF head > p_known AND cardinality(p_guard_unit) > 0 THEN
        SELECT array_agg(DISTINCT g.unit) INTO v_unit
        FROM (
            SELECT ('x' || encode(substr(sha256(convert_to(
                       x.aggregate_type || '/' || x.aggregate_id, 'UTF8')), 1, 8), 'hex')
                   )::bit(64)::bigint AS key, x.position
            FROM events x WHERE x.position > p_known
        ) e
        JOIN unnest(p_guard_unit, p_guard_key, p_guard_known) AS g(unit, key, known)
          ON g.key = e.key AND g.known < e.position
        WHERE g.unit <> ALL (refused_unit);
        refused_unit := refused_unit || coalesce(v_unit, '{}');
        refused_why := refused_why || array_fill('guard'::text, ARRAY[coalesce(cardinality(v_unit), 0)]);
        refused_detail := refused_detail || array_fill(NULL::text, ARRAY[coalesce(cardinality(v_unit), 0)]);
    END IF;

    IF cardinality(p_take_unit) > 0 THEN
        SELECT array_agg(t.unit), array_agg('claim'::text), array_agg(t.scope)
        INTO v_unit, v_why, v_detail
        FROM (
            SELECT DISTINCT ON (u.unit) u.unit, u.scope
            FROM unnest(p_take_unit, p_take_scope, p_take_key) AS u(unit, scope, key)
            WHERE u.unit <> ALL (refused_unit)
              AND EXISTS (
                SELECT FROM claims c WHERE c.scope = u.scope AND c.key = u.key
                  -- What the unit itself releases it may take.
                  AND NOT EXISTS (
                    SELECT FROM unnest(p_release_unit, p_release_scope, p_release_id)
                         AS r(unit, scope, aggregate_id)
                    WHERE r.unit = u.unit AND r.scope = c.scope
                      AND r.aggregate_id = c.aggregate_id))
            ORDER BY u.unit
        ) t;
        refused_unit := refused_unit || coalesce(v_unit, '{}');
        refused_why := refused_why || coalesce(v_why, '{}');
        refused_detail := refused_detail || coalesce(v_detail, '{}');
    END IF;

    v_written := ARRAY(
        SELECT i FROM generate_series(1, cardinality(p_event_unit)) AS i
        WHERE p_event_unit[i] <> ALL (refused_unit)
    );
    v_recorded_text := rfc3339_micros(recorded_at);

    INSERT INTO events (position, event_id, aggregate_type, aggregate_id, sequence, event_type,
                        event_version, payload, metadata, recorded_at, entry_hash)
    SELECT append.head + w.number, p_event_id[i], p_aggregate_type[i], p_aggregate_id[i],
           p_sequence[i], p_event_type[i], p_event_version[i], p_payload[i]::json,
           p_metadata[i]::json, append.recorded_at,
           entry_hash(p_event_id[i], p_aggregate_type[i], p_aggregate_id[i], p_sequence[i],
                      p_event_type[i], p_event_version[i], p_payload[i], p_metadata[i],
                      v_recorded_text)
    FROM unnest(v_written) WITH ORDINALITY AS w(i, number);

    IF cardinality(p_release_unit) > 0 THEN
        DELETE FROM claims c USING unnest(p_release_unit, p_release_scope, p_release_id)
               AS u(unit, scope, aggregate_id)
        WHERE c.aggregate_id = u.aggregate_id AND c.scope = u.scope
          AND u.unit <> ALL (refused_unit);
    END IF;

    IF cardinality(p_take_unit) > 0 THEN
        INSERT INTO claims (scope, key, aggregate_id)
        SELECT u.scope, u.key, u.aggregate_id
        FROM unnest(p_take_unit, p_take_scope, p_take_key, p_take_id)
             AS u(unit, scope, key, aggregate_id)
        WHERE u.unit <> ALL (refused_unit);
    END IF;

    IF cardinality(p_receipt_unit) > 0 THEN
        v_written_unit := ARRAY(SELECT p_event_unit[i] FROM unnest(v_written) AS i);
        INSERT INTO receipts (principal, idempotency_key, request_hmac, reply, first_position, recorded_at)
        SELECT u.principal, u.key, u.hmac, u.reply,
               -- The events are in the order of their units: those before a unit's first end where
               -- its number would be put in.
               append.head + width_bucket(u.unit - 1, v_written_unit) + 1,
               append.recorded_at
        FROM unnest(p_receipt_unit, p_receipt_principal, p_receipt_key, p_receipt_hmac, p_receipt_reply)
             AS u(unit, principal, key, hmac, reply)
        WHERE u.unit <> ALL (refused_unit)
        ON CONFLICT (principal, idempotency_key) DO UPDATE
            SET request_hmac = excluded.request_hmac, reply = excluded.reply,
                first_position = excluded.first_position, recorded_at = excluded.recorded_at;
    END IF;
END
$$;

