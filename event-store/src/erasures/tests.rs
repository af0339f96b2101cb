use agora_domain::ids::MemberId;
use tempfile::TempDir;

use super::*;

fn entry(number: u128) -> Entry {
    let subject = Actor::member(MemberId(Uuid::from_u128(number)));
    let key_id = Some("00112233445566778899aabbccddeeff".parse().unwrap());
    let keys = vec![
        DoomedKey { category: PersonalCategory::Content, key_id },
        DoomedKey { category: PersonalCategory::Evidence, key_id: None },
    ];
    let at = DateTime::from_timestamp(1_000, 0).unwrap();
    Entry::new(Uuid::from_u128(100 + number), subject, End::Destroy, keys, true, (7, at))
}

fn ledger() -> (TempDir, Ledger) {
    let home = TempDir::new().unwrap();
    let ledger = Ledger::of_home(&home.path().join("state"));
    (home, ledger)
}

#[test]
fn ddr_16_what_is_appended_is_read_in_order_and_once() {
    let (_home, ledger) = ledger();
    assert!(ledger.read().unwrap().is_empty());
    for number in [1, 2, 1, 3, 2] {
        ledger.append(&entry(number)).unwrap();
    }
    let read = ledger.read().unwrap();
    let ids: Vec<Uuid> = read.iter().map(|entry| entry.deletion_id).collect();
    assert_eq!(ids, [101, 102, 103].map(Uuid::from_u128));
    assert_eq!(Entry { previous: None, ..read[2].clone() }, entry(3));
    assert_eq!(read[0].previous, None);
    assert_eq!(read[0].categories(), [PersonalCategory::Content, PersonalCategory::Evidence]);
}

#[test]
fn ddr_16_a_line_that_a_crash_cut_off_was_never_acted_on_and_goes() {
    let (_home, ledger) = ledger();
    ledger.append(&entry(1)).unwrap();
    let whole = fs::read_to_string(ledger.path()).unwrap();
    ledger.append(&entry(2)).unwrap();
    let both = fs::read_to_string(ledger.path()).unwrap();
    for cut in [whole.len() + 1, both.len() - 1] {
        fs::write(ledger.path(), &both[..cut]).unwrap();
        assert_eq!(ledger.read().unwrap().len(), 1, "{cut}");
        ledger.append(&entry(2)).unwrap();
        assert_eq!(fs::read_to_string(ledger.path()).unwrap(), both, "{cut}");
    }
}

#[test]
fn ddr_16_a_line_that_was_changed_taken_out_or_moved_is_refused() {
    let (_home, ledger) = ledger();
    for number in 1..=3 {
        ledger.append(&entry(number)).unwrap();
    }
    let text = fs::read_to_string(ledger.path()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let changed = text.replacen("content", "network", 1);
    let joined = |order: &[usize]| {
        let lines: Vec<&str> = order.iter().map(|index| lines[*index]).collect();
        lines.join("\n") + "\n"
    };
    let others = [changed, joined(&[0, 2]), joined(&[1, 2]), joined(&[1, 0, 2]), "{}\n".to_owned()];
    for other in others {
        fs::write(ledger.path(), &other).unwrap();
        assert!(matches!(ledger.read(), Err(LedgerError::Broken { .. })), "{other}");
        // Nothing may be destroyed either while it is so.
        assert!(ledger.append(&entry(4)).is_err(), "{other}");
    }
}
