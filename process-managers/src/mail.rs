//! Sending mail: to an SMTP server, or as files where there is none.
//!
//! A mail's id derives from the event that caused it. It names the file and is the `Message-ID`, so
//! that a mail that is sent again after a crash is known as the same.

mod files;
mod smtp;
pub mod texts;

use std::{path::PathBuf, str::FromStr, sync::Arc, time::SystemTime};

use agora_domain::{ids::ExportJobId, values::Email};
use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, SinglePart,
        header::{ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue},
    },
};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use files::Files;
use smtp::Smtp;

/// How mail leaves.
#[derive(clap::Args, Clone, Debug)]
pub struct MailArgs {
    /// Where to hand mail over: smtp://user:password@host:port (STARTTLS where it is offered;
    /// required where a password is sent to another machine) or smtps://… Without it mails are
    /// written to files, in `mail` below AGORA_HOME
    #[arg(long, env = "AGORA_SMTP_URL", hide_env_values = true)]
    pub smtp_url: Option<String>,
    /// Whom mail is from
    #[arg(long, env = "AGORA_MAIL_FROM", default_value = "Agora <no-reply@agora.local>")]
    pub mail_from: Mailbox,
    /// The site that links in mails lead to: https://example.org. Without it mails hold the bare
    /// token
    #[arg(long, env = "AGORA_SITE_URL")]
    pub site_url: Option<String>,
    /// The state folder
    #[arg(long, env = "AGORA_HOME", default_value = ".agora")]
    pub home: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum MailConfigError {
    /// The URL may hold a password, so it is not repeated.
    #[error(
        "AGORA_SMTP_URL must be smtp://host:port or smtps://host:port, with user:password@ where the server asks for it"
    )]
    SmtpUrl,
    #[error("AGORA_SITE_URL must be an address such as https://example.org")]
    SiteUrl,
}

/// A mail to be sent.
pub struct Mail {
    pub id: Uuid,
    pub to: Email,
    pub date: DateTime<Utc>,
    pub subject: &'static str,
    /// May hold a token.
    pub text: Zeroizing<String>,
}

/// Why a mail was not sent. Never what a server said: that may repeat the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It will not be taken later either.
    #[error("the address cannot receive mail")]
    Refused,
    #[error("the mail server refused it for now (code {0})")]
    Later(u16),
    #[error("the mail server cannot be reached")]
    Unreachable,
    #[error("the file cannot be written ({0})")]
    File(std::io::ErrorKind),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    site: Option<Url>,
    transport: Arc<Transport>,
}

enum Transport {
    Smtp(Box<Smtp>),
    Files(Files),
}

impl Mailer {
    pub fn new(arguments: &MailArgs) -> Result<Self, MailConfigError> {
        // A variable without a value is none.
        let given = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let transport = match given(&arguments.smtp_url) {
            Some(url) => Transport::Smtp(Box::new(Smtp::new(&url)?)),
            None => Transport::Files(Files::new(arguments.home.join("mail"))),
        };
        let site = given(&arguments.site_url).map(|url| url.parse::<Url>()).transpose();
        let site = site.ok().filter(|site| site.as_ref().is_none_or(Url::has_host));
        let site = site.ok_or(MailConfigError::SiteUrl)?;
        Ok(Self { from: arguments.mail_from.clone(), site, transport: Arc::new(transport) })
    }

    /// Where a page of the site takes a token: in the fragment, which no server is sent (SES-13).
    pub fn link(&self, page: &str, token: &str) -> Option<Zeroizing<String>> {
        let mut link = self.site.clone()?;
        link.path_segments_mut().ok()?.pop_if_empty().push(page);
        Some(Zeroizing::new(format!("{link}#token={token}")))
    }

    /// Where a page of the site hands over a file (DXR-08).
    pub fn link_to_export(&self, job_id: ExportJobId, token: &str) -> Option<Zeroizing<String>> {
        let link = self.link("exports", token)?;
        Some(Zeroizing::new(format!("{}&export={job_id}", link.as_str())))
    }

    pub async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        let message = self.message(mail).ok_or(SendError::Refused)?;
        match &*self.transport {
            Transport::Smtp(smtp) => smtp.send(message).await,
            Transport::Files(files) => files.write(mail.id, message.formatted()).await,
        }
    }

    /// The same bytes each time. None where the address is none that mail knows.
    fn message(&self, mail: &Mail) -> Option<Message> {
        let to = Address::from_str(mail.to.as_str()).ok()?;
        let message_id = format!("<{}@{}>", mail.id, self.from.email.domain());
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .message_id(Some(message_id))
            .date(SystemTime::from(mail.date))
            .header(AutoSubmitted)
            .singlepart(plain(&mail.text))
            .ok()
    }
}

/// Lines as they are: an encoding would break a token or a link that somebody copies from a file.
fn plain(text: &str) -> SinglePart {
    let lines = text.replace('\n', "\r\n");
    let body = match text.is_ascii() {
        true => Body::dangerous_pre_encoded(lines.into_bytes(), ContentTransferEncoding::SevenBit),
        false => Body::new(lines),
    };
    SinglePart::builder().header(ContentType::TEXT_PLAIN).body(body)
}

/// RFC 3834: no machine answers a mail that says this.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests;
