-- A time as the log writes and hashes it: RFC 3339, UTC, six decimals.
CREATE FUNCTION log.rfc3339_micros(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE
AS $$ SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') $$;

-- SHA-256 over the stored texts as netstrings (docs/entry-hash.md). A plain expression, so that it
-- is inlined where it is called.
CREATE FUNCTION log.entry_hash(
    p_event_id       uuid,
    p_aggregate_type text,
    p_aggregate_id   text,
    p_sequence       bigint,
    p_event_type     text,
    p_event_version  text,
    p_payload        text,
    p_metadata       text,
    -- As log.rfc3339_micros gives it.
    p_recorded_at    text
) RETURNS bytea
LANGUAGE sql STABLE
AS $$
    SELECT sha256(convert_to(concat(
        '14:agora/event/v1,36:', p_event_id, ',',
        octet_length(p_aggregate_type), ':', p_aggregate_type, ',',
        octet_length(p_aggregate_id), ':', p_aggregate_id, ',',
        octet_length(p_sequence::text), ':', p_sequence, ',',
        octet_length(p_event_type), ':', p_event_type, ',',
        octet_length(p_event_version), ':', p_event_version, ',',
        octet_length(p_payload), ':', p_payload, ',',
        octet_length(p_metadata), ':', p_metadata, ',',
        octet_length(p_recorded_at), ':', p_recorded_at, ','), 'UTF8'))
$$;

-- The one way into the log. Writes a batch of units; each succeeds or is refused alone.
--
-- Every statement below runs after the head lock is held, in a snapshot of its own (READ COMMITTED
-- takes one per statement), so the checks see all that was committed before. Nothing is updated to
-- give positions out: position = head + n, so there is no gap and nothing bloats.
--
-- Units are numbered from 1. Per event: p_event_unit (ascending), p_opens (the event is the unit's
-- first on its stream, so its sequence − 1 is what the stream's last must be; false also where the
-- caller has checked that itself and has put the stream among the guards). Guards are the first eight
-- bytes of SHA-256 over '<type>/<id>', each with the position up to which the caller has checked it
-- itself: only the events after p_known, the lowest of these, are looked at. A false alarm (1 in
-- 2^64) costs a retry.
--
-- Arrays are read by subscript: parameters are expanded arrays here, in which that costs nothing,
-- while each unnest of several arrays copies them all into tuple stores first.
--
-- Refusals come back by unit: why = 'written' (its first event is already in the log: detail = its
-- first position), 'receipt' (the idempotency key was used: detail = a JSON object with the stored
-- reply), 'sequence', 'guard', 'claim' (detail = the scope).
CREATE FUNCTION log.append(
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
        WHERE x.aggregate_type = p_aggregate_type[i] AND x.aggregate_id = p_aggregate_id[i]
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

REVOKE EXECUTE ON FUNCTION log.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.append TO agora_writer;

-- Begins a new epoch, unless somebody else has meanwhile.
CREATE FUNCTION log.begin_epoch(p_instead_of uuid, p_reason text) RETURNS uuid
LANGUAGE plpgsql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
DECLARE
    v_current uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(418347184737);
    SELECT epoch INTO v_current FROM epochs ORDER BY number DESC LIMIT 1;
    IF v_current = p_instead_of THEN
        INSERT INTO epochs (head, reason)
        SELECT coalesce(max(position), 0), p_reason FROM events
        RETURNING epoch INTO v_current;
    END IF;
    RETURN v_current;
END
$$;
REVOKE EXECUTE ON FUNCTION log.begin_epoch FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.begin_epoch TO agora_writer;

-- Forgets receipts past their 24 hours; returns how many.
CREATE FUNCTION log.forget_receipts() RETURNS bigint
LANGUAGE sql
SECURITY DEFINER
SET search_path = log, pg_catalog, pg_temp
AS $$
    WITH gone AS (
        DELETE FROM receipts WHERE recorded_at < clock_timestamp() - interval '24 hours' RETURNING 1
    )
    SELECT count(*) FROM gone
$$;
REVOKE EXECUTE ON FUNCTION log.forget_receipts FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.forget_receipts TO agora_writer;
