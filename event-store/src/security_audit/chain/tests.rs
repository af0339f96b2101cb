use chrono::DateTime;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;

/// Computed apart, from what the docs say of both: what is stored was made so, and has to hold for years.
#[test]
fn sal_11_entries_and_segments_hash_as_they_always_have() {
    let row = Row {
        log_id: Uuid::from_bytes(std::array::from_fn(|place| place as u8 + 1)),
        recorded_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).unwrap(),
        retention_category: "OPERATIONAL",
        event_type: "API_ACCESS",
        event_result: "SUCCESS",
        user_key: Some(1),
        ip_key: Some(-2),
        session_key: None,
        endpoint: Some("/v1/x"),
        http_method: Some("POST"),
        response_code: Some(200),
        request_size_bytes: Some(12),
        response_size_bytes: None,
        processing_time_ms: Some(3),
        risk_score: Some(0),
        threat_indicators: None,
        metadata: Some("{}"),
        payload_hash: Some(&[7_u8; 32][..]),
        case_id: None,
        sealed: Some(&b"sealed"[..]),
        sealed_in_recorded_at: None,
        sealed_in_log_id: None,
    };
    let mut scratch = b"of the entry before".to_vec();
    let hash = entry_hash(&row, &mut scratch);
    let stored = "7272bf18c0c104aa63b0eca18b817177349017165fed4536bcf9a25adb9387df";
    assert_eq!(hex::encode(hash), stored);
    assert_eq!(entry_hash(&row, &mut scratch), hash);
    let refers = Row {
        sealed: None,
        sealed_in_recorded_at: DateTime::from_timestamp_micros(1_764_000_000_000_001),
        sealed_in_log_id: Some(Uuid::from_bytes(std::array::from_fn(|place| place as u8))),
        ..row.clone()
    };
    let stored = "df365d2d5bf4459096c010c2a841283e792bb34ef649f48213f5513eeb39ffa2";
    assert_eq!(hex::encode(entry_hash(&refers, &mut scratch)), stored, "in the second version");
    let other: EntryHash = Sha256::digest(b"another").into();
    let key: Key = Zeroizing::new([1; 32]);
    for entries in [vec![hash, other], vec![other, hash]] {
        let made = mac(&key, row.leaf(), (3, 5), &[9; 32], entries);
        let stored = "e2f72b3d682d8b9b98e7d0c7cba21dcaadcb90012f08691f506359251fe79b71";
        assert_eq!(hex::encode(made), stored);
    }
}
