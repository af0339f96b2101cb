//! Mail to a server.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    transport::smtp::{
        Error,
        client::{Tls, TlsParameters},
    },
};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::{MailConfigError, SendError};

/// For each step of the exchange.
const STEP: Duration = Duration::from_secs(10);
/// For all of it; well below what makes others take the process for dead.
const WHOLE: Duration = Duration::from_secs(30);
/// A server that could not be reached is left alone for so long, so that the mails of a long queue
/// do not each wait for it in turn.
const REST: Duration = Duration::from_secs(10);
/// Replies that are about the recipient, and final (RFC 5321 §4.2.3). Others, those about the
/// sender's login among them, an operator can mend, and then the mail goes.
const NO_SUCH_RECIPIENT: [u16; 3] = [550, 551, 553];

pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    resting_until: Mutex<Option<Instant>>,
}

impl Smtp {
    pub(super) fn new(url: &str) -> Result<Self, MailConfigError> {
        let broken = |_: Error| MailConfigError::SmtpUrl;
        let parsed: Url = url.parse().map_err(|_| MailConfigError::SmtpUrl)?;
        let host = parsed.host().filter(|_| parsed.host_str() != Some(""));
        let host = host.ok_or(MailConfigError::SmtpUrl)?;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(broken)?
            .timeout(Some(STEP));
        // lettre's own `smtp://` never asks for TLS.
        if parsed.scheme() == "smtp" && parsed.query().is_none() {
            let parameters = TlsParameters::new(host.to_string()).map_err(broken)?;
            // Whoever sits in between could otherwise take the offer away, and read the password.
            builder = builder.tls(if parsed.password().is_some() && !is_loopback(&host) {
                Tls::Required(parameters)
            } else {
                Tls::Opportunistic(parameters)
            });
        }
        Ok(Self { transport: builder.build(), resting_until: Mutex::new(None) })
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), SendError> {
        if self.rest().is_some_and(|until| until > Instant::now()) {
            return Err(SendError::Unreachable);
        }
        let sent = timeout(WHOLE, self.transport.send(message)).await;
        let error = match sent {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => why(&error),
            Err(_) => SendError::Unreachable,
        };
        if error == SendError::Unreachable {
            *self.rest() = Some(Instant::now() + REST);
        }
        Err(error)
    }

    fn rest(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.resting_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn why(error: &Error) -> SendError {
    match error.status().map(u16::from) {
        Some(code) if NO_SUCH_RECIPIENT.contains(&code) => SendError::Refused,
        Some(code) => SendError::Later(code),
        None => SendError::Unreachable,
    }
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}
