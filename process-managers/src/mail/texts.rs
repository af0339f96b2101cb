//! What mails say: plain text, no names, nothing that the reader does not need.

use agora_domain::process_managers::mail::MailKind;
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

/// A subject and a text.
pub type Text = (&'static str, Zeroizing<String>);

/// A mail with a token. `link` leads to the page that takes it, where the site has one.
pub fn with_token(kind: MailKind, token: &str, link: Option<&str>) -> Text {
    let (subject, begin, command, end) = match kind {
        MailKind::ResetPassword => (
            "Set a new password",
            "Somebody, most likely you, asked for a new password for your account.",
            "reset-password",
            "If it was not you, do nothing: your password stays as it is.",
        ),
        MailKind::ConfirmRegistration => (
            "Confirm your e-mail address",
            "Somebody, most likely you, registered with this e-mail address.",
            "confirm-email",
            "If it was not you, do nothing: there will be no account.",
        ),
        _ => (
            "Confirm your new e-mail address",
            "Somebody, most likely you, wants to use this e-mail address for an\naccount.",
            "confirm-email",
            "If it was not you, do nothing: nothing changes.",
        ),
    };
    // Whoever registered has to be whoever reads this.
    let (go_on, with) = match kind {
        MailKind::ConfirmRegistration => (
            "Go on here, with the password that you registered with",
            "this token and the password that you registered with",
        ),
        _ => ("Go on here", "this token"),
    };
    let how = match link {
        Some(link) => format!("{go_on}:\n\n{link}"),
        None => format!("Send {with}\nwith the command {command}:\n\n{token}"),
    };
    let text = format!(
        "{begin}\n\n{how}\n\nIt works once, and for a limited time. Give it to nobody.\n\n{end}\n"
    );
    (subject, Zeroizing::new(text))
}

/// To an address that has an account already, where somebody wants to use it for another (CRD-09).
pub fn taken() -> Text {
    let text = "Somebody, most likely you, wants to use this e-mail address for an\n\
                account. There is an account with this address already, so nothing\n\
                was changed.\n\n\
                If it was you: log in, or ask for a new password. If it was not you,\n\
                do nothing.\n";
    ("You have an account already", Zeroizing::new(text.to_owned()))
}

/// To whoever asked for its own data by mail, when the file is there. `where_to` is the link to it, or
/// what to do where there is no site. The data itself is in no mail (DXR-08).
pub fn export_ready(where_to: &str, until: DateTime<Utc>) -> Text {
    let until = until.format("%Y-%m-%d %H:%M UTC");
    let text = format!(
        "You asked for a copy of what is stored about you. It is ready, until\n{until}.\n\n\
         {where_to}\n\nYou have to be logged in. Give this mail to nobody.\n\n\
         If you did not ask for it, change your password at once, and turn to\n\
         whoever runs the site.\n"
    );
    ("The copy of your data is ready", Zeroizing::new(text))
}

/// That an answer takes longer, and why (Art. 12(3) GDPR).
pub fn export_delayed(reason: &str, due_at: DateTime<Utc>) -> Text {
    let due_at = due_at.format("%Y-%m-%d");
    let text = format!(
        "You asked for a copy of what is stored about you. It takes longer than\na month: you \
         have it by {due_at}.\n\nThe reason:\n\n{reason}\n\n\
         You may complain to the data protection authority of your country.\n"
    );
    ("The copy of your data takes longer", Zeroizing::new(text))
}

/// That an answer could not be made (Art. 12(4) GDPR).
pub fn export_failed() -> Text {
    let text = "You asked for a copy of what is stored about you. It could not be made.\n\n\
                Ask for it again: you may do so at once. Whoever runs the site sees\n\
                that you have no answer yet, and has to give it within a month of your\n\
                first request.\n\n\
                You may complain to the data protection authority of your country.\n";
    ("The copy of your data could not be made", Zeroizing::new(text.to_owned()))
}

/// That the restriction of somebody's data was lifted, and why (Art. 18(3) GDPR).
pub fn restriction_lifted(reason: &str) -> Text {
    let text = format!(
        "You had the processing of your data restricted. The restriction was\nlifted: your data is \
         processed as before.\n\nThe reason:\n\n{reason}\n\n\
         You may have it restricted again, and you may complain to the data\nprotection authority \
         of your country.\n"
    );
    ("Your data is no longer restricted", Zeroizing::new(text))
}

/// That another version of the privacy policy is published (PPV-12): which, from when, what is different,
/// and whether the reader will be asked for its acceptance.
pub fn policy_published(
    version_number: &str,
    effective_date: DateTime<Utc>,
    major_changes: &[String],
    acceptance_required: bool,
) -> Text {
    let from = effective_date.format("%Y-%m-%d %H:%M UTC");
    let mut text =
        format!("Version {version_number} of the privacy policy holds from\n{from} on.\n\n");
    if !major_changes.is_empty() {
        text.push_str("What is different:\n\n");
        for change in major_changes {
            text.push_str(&format!("- {change}\n"));
        }
        text.push('\n');
    }
    text.push_str(&format!(
        "Its text is on the site, and at\n\n/v1/policies/{version_number}\n\n\
         of the read API.\n"
    ));
    if acceptance_required {
        text.push_str("\nFrom then on you are asked to accept it before you write anything.\n");
    }
    ("The privacy policy changes", Zeroizing::new(text))
}

/// That somebody is not erased, and why (Art. 12(4) GDPR).
pub fn deletion_rejected(reason: &str) -> Text {
    let text = format!(
        "You asked to be erased. It was refused.\n\nThe reason:\n\n{reason}\n\n\
         You may complain to the data protection authority of your country, and\n\
         turn to a court.\n"
    );
    ("Your request to be erased was refused", Zeroizing::new(text))
}

/// That an erasure takes longer, and why (Art. 12(3) GDPR).
pub fn deletion_delayed(reason: &str, due_at: DateTime<Utc>) -> Text {
    let due_at = due_at.format("%Y-%m-%d");
    let text = format!(
        "You asked to be erased. The answer takes longer than a month: you have\nit by {due_at}.\n\n\
         The reason:\n\n{reason}\n\n\
         You may complain to the data protection authority of your country.\n"
    );
    ("The answer to your request to be erased takes longer", Zeroizing::new(text))
}

/// That what was named is erased; whose account ended has no address any more.
pub fn part_erased() -> Text {
    let text = "What you asked to be erased is erased, in backups too. Your account goes\non.\n";
    ("What you asked for is erased", Zeroizing::new(text.to_owned()))
}

/// A mail that tells what has happened (ASVS 5.0 §6.3.7).
pub fn notice(kind: MailKind) -> Text {
    let (subject, what) = match kind {
        MailKind::EmailChangeStarted => (
            "A new e-mail address was asked for",
            "Somebody who knows your password asked to use another e-mail address\n\
             for your account. It takes the place of this one when it is\n\
             confirmed.",
        ),
        MailKind::EmailChanged => (
            "Your e-mail address was changed",
            "Your account now uses another e-mail address. This one can no longer\n\
             be used to log in.",
        ),
        MailKind::PasswordChanged => (
            "Your password was changed",
            "The password of your account was changed, and all other sessions were\n\
             ended.",
        ),
        MailKind::PasswordWasReset => (
            "Your password was reset",
            "The password of your account was set anew by mail, and all sessions\n\
             were ended.",
        ),
        MailKind::DeletionPending => (
            "Your account is to be deleted",
            "The deletion of your account was asked for, and all sessions were\n\
             ended. Until it is carried out you can log in, but not write.",
        ),
        _ => (
            "Your account was deleted",
            "Your account was deleted. Nobody can log in with it any more.",
        ),
    };
    let end = "If you did not expect this, ask for a new password at once, or turn to\n\
               whoever runs the site.";
    (subject, Zeroizing::new(format!("{what}\n\n{end}\n")))
}
