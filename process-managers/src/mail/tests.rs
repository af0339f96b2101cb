use std::os::unix::fs::PermissionsExt;

use super::*;

fn arguments(home: PathBuf) -> MailArgs {
    let mail_from = "Agora <no-reply@agora.example>".parse().unwrap();
    MailArgs { smtp_url: None, mail_from, site_url: None, home }
}

fn a_mail(text: &str) -> Mail {
    Mail {
        id: Uuid::from_u128(7),
        to: "ola@example.org".parse().unwrap(),
        date: DateTime::from_timestamp(1_700_000_000, 0).unwrap(),
        subject: "A subject",
        text: Zeroizing::new(text.to_owned()),
    }
}

#[expect(clippy::disallowed_methods, reason = "a test makes its own names")]
fn folder() -> PathBuf {
    std::env::temp_dir().join(format!("agora-mail-{}", Uuid::new_v4()))
}

#[tokio::test]
async fn a_file_is_written_once_and_only_its_owner_reads_it() {
    let home = folder();
    let mailer = Mailer::new(&arguments(home.clone())).unwrap();
    mailer.send(&a_mail("the first")).await.unwrap();
    mailer.send(&a_mail("the second")).await.unwrap();
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let files: Vec<PathBuf> =
        std::fs::read_dir(home.join("mail")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files, [home.join("mail").join(format!("{}.eml", Uuid::from_u128(7)))]);
    assert_eq!((mode(&home.join("mail")), mode(&files[0])), (0o700, 0o600));
    let text = std::fs::read_to_string(&files[0]).unwrap();
    assert!(text.contains("the first") && !text.contains("the second"), "{text}");
    for line in [
        "From: Agora <no-reply@agora.example>",
        "To: ola@example.org",
        "Subject: A subject",
        "Auto-Submitted: auto-generated",
        "Message-ID: <00000000-0000-0000-0000-000000000007@agora.example>",
        "Date: Tue, 14 Nov 2023 22:13:20 +0000",
    ] {
        assert!(text.contains(&format!("{line}\r\n")), "{line}: {text}");
    }
    std::fs::remove_dir_all(home).unwrap();
}

#[tokio::test]
async fn what_a_crash_left_unfinished_is_written_anew() {
    let home = folder();
    std::fs::create_dir_all(home.join("mail")).unwrap();
    let unfinished = home.join("mail").join(format!(".{}.unfinished", Uuid::from_u128(7)));
    std::fs::write(&unfinished, "half a ma").unwrap();
    let mailer = Mailer::new(&arguments(home.clone())).unwrap();
    mailer.send(&a_mail("a whole mail")).await.unwrap();
    assert!(!unfinished.exists());
    // A folder that cannot be written is no end: the mail waits.
    let nowhere = Mailer::new(&arguments(home.join("mail").join("x.eml"))).unwrap();
    std::fs::write(home.join("mail").join("x.eml"), "").unwrap();
    let error = nowhere.send(&a_mail("a whole mail")).await.unwrap_err();
    assert!(matches!(error, SendError::File(_)), "{error}");
    std::fs::remove_dir_all(home).unwrap();
}

#[test]
fn ses_13_a_link_holds_its_token_where_no_server_is_sent_it() {
    let with = |site: &str| MailArgs { site_url: Some(site.to_owned()), ..arguments(folder()) };
    let mailer = Mailer::new(&with("https://agora.example/community/")).unwrap();
    let link = mailer.link("reset-password", "abc").unwrap();
    assert_eq!(link.as_str(), "https://agora.example/community/reset-password#token=abc");
    for none in [Mailer::new(&with("")), Mailer::new(&arguments(folder()))] {
        assert!(none.unwrap().link("reset-password", "abc").is_none());
    }
    for wrong in ["agora.example", "mailto:x@agora.example"] {
        assert!(matches!(Mailer::new(&with(wrong)), Err(MailConfigError::SiteUrl)), "{wrong}");
    }
}

#[tokio::test]
async fn a_wrong_url_is_refused_without_its_password() {
    let with = |url: &str| MailArgs { smtp_url: Some(url.to_owned()), ..arguments(folder()) };
    for url in ["mail.example", "http://u:hunter2@mail.example", "smtp:///", "smtp://u:hunter2@"] {
        let error = Mailer::new(&with(url)).err().unwrap();
        assert!(matches!(error, MailConfigError::SmtpUrl), "{url}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
    for url in ["smtp://mail.example", "smtps://u:p@mail.example:465", "smtp://127.0.0.1:2525"] {
        assert!(Mailer::new(&with(url)).is_ok(), "{url}");
    }
}
