//! What every command can reach.

use std::{sync::Arc, time::Duration};

use agora_domain::{
    identity::password::PASSWORD_CHARACTERS_MIN, ids::CredentialId, security::network::Network,
    values::Email,
};
use agora_event_store::{EventLog, Position, security::SecurityLog, unit, vault::Key};
use agora_service::problem::Problem;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::{
    authenticate::Tokens,
    commands::register_member::EMAIL,
    execute::Caller,
    passwords::Hasher,
    permission::Matrix,
    refusal::{too_many_failures, unavailable},
    sessions::Activity,
    throttle::Throttle,
};

/// What an operator can choose.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// A session ends so long after its login, in seconds.
    #[arg(long, env = "AGORA_SESSION_LIFETIME_SECONDS", default_value_t = 30 * 24 * 3_600,
          value_parser = clap::value_parser!(u32).range(60..))]
    pub session_lifetime_seconds: u32,
    /// A session ends when it is not used for so long, in seconds.
    #[arg(long, env = "AGORA_SESSION_IDLE_SECONDS", default_value_t = 7 * 24 * 3_600,
          value_parser = clap::value_parser!(u32).range(60..))]
    pub session_idle_seconds: u32,
    /// Who ends other sessions of its own must have logged in no longer ago, in seconds (SES-12).
    #[arg(long, env = "AGORA_RECENT_LOGIN_SECONDS", default_value_t = 15 * 60)]
    pub recent_login_seconds: u32,
    /// Sessions of one principal at once; the oldest is revoked when there would be more (SES-07).
    #[arg(long, env = "AGORA_MAX_CONCURRENT_SESSIONS", default_value_t = 10)]
    pub sessions_max: usize,
    /// Characters that a new password must have; never below 8 (CRD-06).
    #[arg(long, env = "AGORA_PASSWORD_CHARACTERS_MIN", default_value_t = PASSWORD_CHARACTERS_MIN)]
    pub password_characters_min: usize,
    /// Failed logins for one account in a quarter of an hour before it has to wait (CRD-12).
    #[arg(long, env = "AGORA_LOGIN_FAILURES_PER_ACCOUNT", default_value_t = 10)]
    pub login_failures_per_account: u32,
    /// Failed logins from one address in a quarter of an hour before it has to wait (CRD-12).
    #[arg(long, env = "AGORA_LOGIN_FAILURES_PER_ADDRESS", default_value_t = 100)]
    pub login_failures_per_address: u32,
    /// What one guest may write in a quarter of an hour (CMT-09, CVT-06).
    #[arg(long, env = "AGORA_GUEST_ACTS_PER_GUEST", default_value_t = 30)]
    pub guest_acts_per_guest: u32,
    /// What all guests of one address may write in a quarter of an hour (CMT-09, CVT-06).
    #[arg(long, env = "AGORA_GUEST_ACTS_PER_ADDRESS", default_value_t = 150)]
    pub guest_acts_per_address: u32,
    /// Guests that one address may make in a quarter of an hour.
    #[arg(long, env = "AGORA_NEW_GUESTS_PER_ADDRESS", default_value_t = 300)]
    pub new_guests_per_address: u32,
    /// The token of a mail that sets a new password holds for so long, in seconds (CRD-12).
    #[arg(long, env = "AGORA_PASSWORD_RESET_SECONDS", default_value_t = 3_600,
          value_parser = clap::value_parser!(u32).range(60..=86_400))]
    pub password_reset_seconds: u32,
    /// The token of a mail that confirms an e-mail address holds for so long, in seconds.
    #[arg(long, env = "AGORA_EMAIL_CONFIRMATION_SECONDS", default_value_t = 24 * 3_600,
          value_parser = clap::value_parser!(u32).range(60..=7 * 86_400))]
    pub email_confirmation_seconds: u32,
    /// Mails with a token that anybody can have sent to one e-mail address in a quarter of an hour
    /// (CRD-12).
    #[arg(long, env = "AGORA_MAIL_REQUESTS_PER_ACCOUNT", default_value_t = 5)]
    pub mail_requests_per_account: u32,
    /// The same, for one client's address.
    #[arg(long, env = "AGORA_MAIL_REQUESTS_PER_ADDRESS", default_value_t = 50)]
    pub mail_requests_per_address: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            session_lifetime_seconds: 30 * 24 * 3_600,
            session_idle_seconds: 7 * 24 * 3_600,
            recent_login_seconds: 15 * 60,
            sessions_max: 10,
            password_characters_min: PASSWORD_CHARACTERS_MIN,
            login_failures_per_account: 10,
            login_failures_per_address: 100,
            guest_acts_per_guest: 30,
            guest_acts_per_address: 150,
            new_guests_per_address: 300,
            password_reset_seconds: 3_600,
            email_confirmation_seconds: 24 * 3_600,
            mail_requests_per_account: 5,
            mail_requests_per_address: 50,
        }
    }
}

/// The command API's parts. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<Parts>,
}

pub struct Parts {
    pub log: EventLog,
    pub security: SecurityLog,
    pub settings: Settings,
    pub tokens: Tokens,
    pub hasher: Hasher,
    pub matrix: Matrix,
    pub activity: Activity,
    pub account_failures: Throttle,
    pub address_failures: Throttle,
    pub guest_acts: Throttle,
    pub guest_address_acts: Throttle,
    pub new_guests: Throttle,
    account_mails: Throttle,
    address_mails: Throttle,
    email_key: Key,
    address_key: Key,
    pub(crate) mail_key: Key,
    receipt_key: Key,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl App {
    pub fn new(log: EventLog, security: SecurityLog, settings: Settings) -> Self {
        let window = Duration::from_secs(15 * 60);
        let masters = log.vault().masters();
        let (email_key, receipt_key) = (masters.derive("email-index"), masters.derive("receipts"));
        let address_key = masters.derive("address-index");
        let mail_key = masters.derive("mail-tokens");
        Self {
            parts: Arc::new(Parts {
                tokens: Tokens::new(),
                hasher: Hasher::new(),
                matrix: Matrix::new(),
                activity: Activity::start(log.pool().clone(), settings.session_idle_seconds),
                account_failures: Throttle::new(settings.login_failures_per_account, window),
                address_failures: Throttle::new(settings.login_failures_per_address, window),
                guest_acts: Throttle::new(settings.guest_acts_per_guest, window),
                guest_address_acts: Throttle::new(settings.guest_acts_per_address, window),
                new_guests: Throttle::new(settings.new_guests_per_address, window),
                account_mails: Throttle::new(settings.mail_requests_per_account, window),
                address_mails: Throttle::new(settings.mail_requests_per_address, window),
                email_key,
                address_key,
                mail_key,
                receipt_key,
                log,
                security,
                settings,
            }),
        }
    }
}

impl Parts {
    /// The blind index of an e-mail address: HMAC-SHA-256 under a secret, so that the claims tell
    /// nobody who is registered (CRD-11).
    pub fn email_index(&self, email: &Email) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(mac(&self.email_key, &[email.folded().as_bytes()]))
    }

    /// The blind index of an address or a network, as [`Self::email_index`]: the claims tell nobody which
    /// addresses are known.
    pub fn address_index(&self, network: Network) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(mac(&self.address_key, &[network.to_string().as_bytes()]))
    }

    /// As [`Self::address_index`], of an address together with a type of attack.
    pub fn open_incident_index(&self, network: Network, incident_type: &str) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let network = network.to_string();
        let parts = [network.as_bytes(), b" ", incident_type.as_bytes()];
        URL_SAFE_NO_PAD.encode(mac(&self.address_key, &parts))
    }

    /// Counts a mail that somebody has sent to an address of its choice; refuses where there were too
    /// many to it, or from the sender's own address (CRD-12). Whether there is an account plays no
    /// part.
    pub fn begin_mail(&self, email: &Email, caller: &Caller) -> Result<(), Problem> {
        self.address_mails.begin(&caller.network()).map_err(too_many_failures)?;
        self.account_mails.begin(&self.email_index(email)).map_err(too_many_failures)
    }

    /// Whose credential has an address, if anybody's does.
    pub async fn credential_of(&self, email: &Email) -> Result<Option<CredentialId>, Problem> {
        let id = self.holder(EMAIL, &self.email_index(email)).await?;
        Ok(id.and_then(|id| id.parse().ok()))
    }

    /// Who holds the claim of a key, if anybody does.
    pub async fn holder(&self, scope: &'static str, key: &str) -> Result<Option<String>, Problem> {
        unit::holder(self.log.pool(), scope, key).await.map_err(|error| {
            tracing::error!(%error, scope, "cannot look up a claim");
            unavailable()
        })
    }

    /// How far this instance knows the log.
    pub fn known(&self) -> Position {
        *self.log.head().borrow()
    }

    /// Takes in what other instances wrote; true where there was something after `known`. A refusal
    /// may rest on what they have changed, so it asks this before it is one.
    pub async fn was_behind(&self, known: Position) -> bool {
        self.log.catch_up().await;
        self.known() > known
    }

    /// What a receipt keeps of its request.
    pub fn request_hmac(&self, command: &str, body: &[u8]) -> [u8; 32] {
        mac(&self.receipt_key, &[command.as_bytes(), b"\0", body])
    }
}

fn mac(key: &Key, parts: &[&[u8]]) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
