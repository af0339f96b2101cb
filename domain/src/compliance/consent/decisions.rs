//! What follows from each command on a consent: pure.

use super::*;

/// What is asked of every answer.
fn check(command: &AnswerQuestion) -> Result<&PublishedVersion, ConsentError> {
    let shown = command.shown.as_ref().ok_or(ConsentError::NotInForce)?;
    if !command.terms.consent_method.is_affirmative() {
        return Err(ConsentError::NotAffirmative);
    }
    if !(1..=TERMS_MAX).contains(&command.terms.data_categories.len()) {
        return Err(ConsentError::WrongTerms);
    }
    match command.terms.processing_purposes.len() {
        0 => Err(ConsentError::WrongTerms),
        1 => Ok(shown),
        _ => Err(ConsentError::Bundled),
    }
}

fn record(
    command: AnswerQuestion,
    shown: PublishedVersion,
    status: ConsentStatus,
) -> ConsentRecord {
    let AnswerQuestion { consent_id, principal, terms, now, .. } = command;
    ConsentRecord {
        consent_id,
        principal,
        terms,
        status,
        consent_version: shown.version_number,
        policy_version_id: shown.version_id,
        policy_hash: shown.content_hash,
        granted_at: (status == ConsentStatus::Granted).then_some(now),
        withdrawn_at: None,
        withdrawal_reason: None,
        denied_by_signal: false,
        is_imported: false,
        created_at: now,
    }
}

/// A grant that says what the one that holds says already changes nothing.
pub(super) fn grant(
    consent: &Consent,
    command: AnswerQuestion,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    let shown = check(&command)?.clone();
    let terms = &command.terms;
    if terms.expires_at.is_some_and(|expires_at| expires_at <= command.now) {
        return Err(ConsentError::ExpiresBefore);
    }
    let evidence = terms.evidence_data.as_ref().and_then(Personal::get);
    if evidence.is_some_and(ConsentEvidence::lacks_guardian) {
        return Err(ConsentError::NoGuardian);
    }
    let is_opted_out = terms.consent_type == ConsentType::Marketing || terms.third_party_sharing;
    if command.signals_opt_out && is_opted_out {
        return deny(consent, command, true);
    }
    let before = consent.granted(command.now);
    if before.is_some_and(|before| {
        before.policy_version_id == shown.version_id && before.terms.say_the_same_as(terms)
    }) {
        return Ok(Vec::new());
    }
    let supersedes = before.map(|before| before.consent_id);
    let consent = record(command, shown, ConsentStatus::Granted);
    Ok(vec![ConsentEvent::ConsentGranted { consent, supersedes }])
}

/// Who denies what it denied to the same text changes nothing.
pub(super) fn deny(
    consent: &Consent,
    command: AnswerQuestion,
    by_signal: bool,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    let shown = check(&command)?.clone();
    if consent.record.as_ref().is_some_and(|before| {
        before.status == ConsentStatus::Denied && before.policy_version_id == shown.version_id
    }) {
        return Ok(Vec::new());
    }
    let mut events = Vec::new();
    if let Some(before) = consent.granted(command.now) {
        events.push(withdrawn(before, None, command.now));
    }
    let denied = record(command, shown, ConsentStatus::Denied);
    let terms = ConsentTerms { expires_at: None, ..denied.terms };
    let consent = ConsentRecord { terms, denied_by_signal: by_signal, ..denied };
    events.push(ConsentEvent::ConsentDenied { consent });
    Ok(events)
}

fn withdrawn(
    record: &ConsentRecord,
    reason: Option<Personal<WithdrawalReason>>,
    now: DateTime<Utc>,
) -> ConsentEvent {
    let record = record.clone();
    ConsentEvent::ConsentWithdrawn {
        consent: ConsentRecord {
            terms: record.terms.carried_on(),
            status: ConsentStatus::Withdrawn,
            // Never before it was granted, whatever the clocks of two instances say (CON-05).
            withdrawn_at: Some(record.granted_at.map_or(now, |granted_at| granted_at.max(now))),
            withdrawal_reason: reason,
            ..record
        },
    }
}

/// Who withdraws what it withdrew changes nothing.
pub(super) fn withdraw(
    consent: &Consent,
    command: WithdrawConsent,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    let WithdrawConsent { reason, now } = command;
    let record = consent.record.as_ref().ok_or(ConsentError::NotAsked)?;
    match record.status_at(now) {
        ConsentStatus::Withdrawn => return Ok(Vec::new()),
        ConsentStatus::Denied | ConsentStatus::Expired => return Err(ConsentError::Final),
        ConsentStatus::Granted => {}
    }
    if record.terms.legal_basis != ConsentBasis::Consent {
        return Err(ConsentError::OtherBasis);
    }
    Ok(vec![withdrawn(record, reason, now)])
}

pub(super) fn import(
    consent: &Consent,
    command: ImportConsent,
) -> Result<Vec<ConsentEvent>, ConsentError> {
    if consent.record.is_some() {
        return Ok(Vec::new());
    }
    if !command.principal_exists {
        return Err(ConsentError::NoPrincipal);
    }
    let shown = command.shown.ok_or(ConsentError::NoSuchVersion)?;
    let ImportConsent {
        consent_id, principal, terms, status, granted_at, withdrawn_at, now, ..
    } = command;
    let counts = 1..=TERMS_MAX;
    if !counts.contains(&terms.data_categories.len())
        || !counts.contains(&terms.processing_purposes.len())
    {
        return Err(ConsentError::WrongTerms);
    }
    let expires_at = terms.expires_at;
    let fits = match (status, granted_at, withdrawn_at) {
        (ConsentStatus::Granted, Some(_), None) => true,
        (ConsentStatus::Denied, None, None) => expires_at.is_none(),
        (ConsentStatus::Withdrawn, Some(granted_at), Some(withdrawn_at)) => {
            granted_at <= withdrawn_at
        }
        (ConsentStatus::Expired, Some(granted_at), None) => {
            expires_at.is_some_and(|expires_at| granted_at <= expires_at && expires_at <= now)
        }
        _ => false,
    };
    let is_past = |at: Option<DateTime<Utc>>| at.is_none_or(|at| at <= now);
    if !fits || !is_past(granted_at) || !is_past(withdrawn_at) {
        return Err(ConsentError::WrongTimes);
    }
    let consent = ConsentRecord {
        consent_id,
        principal,
        terms,
        status,
        consent_version: shown.version_number,
        policy_version_id: shown.version_id,
        policy_hash: shown.content_hash,
        granted_at,
        withdrawn_at,
        withdrawal_reason: None,
        denied_by_signal: false,
        is_imported: true,
        created_at: now,
    };
    Ok(vec![ConsentEvent::ConsentImported { consent, imported_by: command.imported_by }])
}
