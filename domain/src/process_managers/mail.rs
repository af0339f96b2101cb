//! Tells people by mail what they must know or confirm (CRD-09, CRD-10, CRD-12).
//!
//! Each mail is a wake-up of its own, due at once: a server that refuses one, or that is away,
//! delays that one and is tried again, and nothing is lost in between. The key of the wake-up
//! derives from the event and from what the mail is about; it is the mail's Message-ID, too, so
//! that a mail that a crash sends twice is known as the same.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Reaction, WakeUp};

pub const NAME: &str = "mail";

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// To whoever asked for a new password, with the token.
    ResetPassword,
    /// To the address that registers, with the token; that there is an account already, where it is
    /// somebody's (CRD-09).
    ConfirmRegistration,
    /// To the new address, with the token; that there is an account already, where it is somebody's.
    ConfirmNewEmail,
    /// To the address in use: another one was asked for.
    EmailChangeStarted,
    /// To the address that was in use: another one is now.
    EmailChanged,
    PasswordChanged,
    PasswordWasReset,
    /// The account waits for its deletion.
    DeletionPending,
    /// The account was deleted.
    AccountDeleted,
    /// The file with one's own data is there: a link to it, never the data (DXR-08).
    ExportReady,
    /// It takes longer than a month, and why (DXR-10).
    ExportDelayed,
    /// The file with one's own data could not be made: its person may ask again at once.
    ExportFailed,
    /// The restriction of one's data was lifted, and why (LAW-05, Art. 18(3)).
    RestrictionLifted,
    /// Whoever asked to be erased is not, and why, and where to complain (DDR-11).
    DeletionRejected,
    /// It takes longer than a month, and why (DDR-11).
    DeletionDelayed,
    /// What was asked for is erased, and the account goes on (DDR-12).
    PartErased,
}

/// The events that it reacts to, with the mails that each sends.
pub const MAILS: &[(&str, &[MailKind])] = &[
    ("PasswordResetRequested", &[MailKind::ResetPassword]),
    ("EmailConfirmationRequested", &[MailKind::ConfirmRegistration]),
    ("EmailChangeRequested", &[MailKind::ConfirmNewEmail, MailKind::EmailChangeStarted]),
    ("EmailChanged", &[MailKind::EmailChanged]),
    ("PasswordChanged", &[MailKind::PasswordChanged]),
    ("PasswordReset", &[MailKind::PasswordWasReset]),
    ("MemberDeletionPending", &[MailKind::DeletionPending]),
    ("MemberDeleted", &[MailKind::AccountDeleted]),
    ("ExportCompleted", &[MailKind::ExportReady]),
    ("ExportDeadlineExtended", &[MailKind::ExportDelayed]),
    ("ExportFailed", &[MailKind::ExportFailed]),
    ("RestrictionLifted", &[MailKind::RestrictionLifted]),
    ("DeletionRejected", &[MailKind::DeletionRejected]),
    ("DeletionDeadlineExtended", &[MailKind::DeletionDelayed]),
    ("ErasureCompleted", &[MailKind::PartErased]),
];

pub const EVENT_TYPES: &[&str] = &[
    "PasswordResetRequested",
    "EmailConfirmationRequested",
    "EmailChangeRequested",
    "EmailChanged",
    "PasswordChanged",
    "PasswordReset",
    "MemberDeletionPending",
    "MemberDeleted",
    "ExportCompleted",
    "ExportDeadlineExtended",
    "ExportFailed",
    "RestrictionLifted",
    "DeletionRejected",
    "DeletionDeadlineExtended",
    "ErasureCompleted",
];

/// A mail is given up after so long: a notice that comes later tells nobody anything, and a process
/// that begins on an old log does not write to everybody about the past. A mail with a token is
/// given up when that expires.
pub const KEPT_TRYING: TimeDelta = TimeDelta::days(3);

impl MailKind {
    /// Part of the key: never changed, or a mail that waits is sent under another name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset-password",
            Self::ConfirmRegistration => "confirm-registration",
            Self::ConfirmNewEmail => "confirm-new-email",
            Self::EmailChangeStarted => "email-change-started",
            Self::EmailChanged => "email-changed",
            Self::PasswordChanged => "password-changed",
            Self::PasswordWasReset => "password-was-reset",
            Self::DeletionPending => "deletion-pending",
            Self::AccountDeleted => "account-deleted",
            Self::ExportReady => "export-ready",
            Self::ExportDelayed => "export-delayed",
            Self::ExportFailed => "export-failed",
            Self::RestrictionLifted => "restriction-lifted",
            Self::DeletionRejected => "deletion-rejected",
            Self::DeletionDelayed => "deletion-delayed",
            Self::PartErased => "part-erased",
        }
    }

    /// The id of the mail that an event causes.
    pub fn mail_id(self, event_id: Uuid) -> Uuid {
        Uuid::new_v5(&event_id, self.as_str().as_bytes())
    }

    /// The mails that an event of a type causes.
    pub fn of(event_type: &str) -> &'static [Self] {
        let listed = MAILS.iter().find(|(name, _)| *name == event_type);
        listed.map_or(&[], |(_, kinds)| kinds)
    }

    /// Which of an event's mails has this id.
    pub fn find(event_type: &str, event_id: Uuid, mail_id: Uuid) -> Option<Self> {
        Self::of(event_type).iter().copied().find(|kind| kind.mail_id(event_id) == mail_id)
    }
}

/// What it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendMail {
    pub mail_id: Uuid,
}

/// What follows from an event.
pub fn on_event(
    event_id: Uuid,
    event_type: &str,
    recorded_at: DateTime<Utc>,
) -> Vec<Reaction<SendMail>> {
    let mails = MailKind::of(event_type).iter();
    mails
        .map(|kind| WakeUp { key: kind.mail_id(event_id), at: recorded_at, cause: event_id })
        .map(Reaction::WakeUp)
        .collect()
}

/// What follows when a mail's turn has come.
pub fn on_wake_up(wake_up: WakeUp) -> Vec<Reaction<SendMail>> {
    let command = SendMail { mail_id: wake_up.key };
    vec![Reaction::Send { command, cause: wake_up.cause }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_with_a_mail_is_read() {
        let listed: Vec<&str> = MAILS.iter().map(|(event_type, _)| *event_type).collect();
        assert_eq!(listed, EVENT_TYPES);
    }

    #[test]
    fn crd_10_a_change_of_address_tells_both_addresses_each_by_a_mail_of_its_own() {
        let (event_id, at) = (Uuid::from_u128(1), DateTime::from_timestamp(1_000, 0).unwrap());
        let reactions = on_event(event_id, "EmailChangeRequested", at);
        let kinds = [MailKind::ConfirmNewEmail, MailKind::EmailChangeStarted];
        let expected = kinds.map(|kind| {
            let key = kind.mail_id(event_id);
            assert_eq!(MailKind::find("EmailChangeRequested", event_id, key), Some(kind));
            Reaction::WakeUp(WakeUp { key, at, cause: event_id })
        });
        assert_eq!(reactions, expected);
        assert_eq!(on_event(event_id, "EmailChangeRequested", at), expected, "the same again");
        assert!(on_event(event_id, "PostCreated", at).is_empty());
    }

    #[test]
    fn crd_10_a_mail_is_sent_for_its_cause() {
        let (event_id, at) = (Uuid::from_u128(1), DateTime::from_timestamp(1_000, 0).unwrap());
        let key = MailKind::PasswordChanged.mail_id(event_id);
        let sent = on_wake_up(WakeUp { key, at, cause: event_id });
        let command = SendMail { mail_id: key };
        assert_eq!(sent, [Reaction::Send { command, cause: event_id }]);
    }
}
