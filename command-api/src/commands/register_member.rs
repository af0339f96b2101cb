//! `register-member`: makes an account, a credential and the member who holds it. Where the
//! configuration asks for it, the member is made only when a mail to its address is answered, and
//! the reply is the same whether somebody has the address or not (CRD-09).

use agora_domain::{
    Actor, PersonalCategory,
    identity::{
        credential::{Credential, CredentialCommand, RegisterCredential, RegisterToConfirm},
        member::{Member, MemberCommand, RegisterMember as Register},
        password::{Password, PasswordHash},
    },
    ids::{CredentialId, EmailConfirmationId, MemberId},
    site::{
        configuration::Configuration,
        settings::{MINIMUM_AGE, REGISTRATION_REQUIRES_CONFIRMATION},
    },
    values::{DisplayName, Email},
};
use agora_service::problem::Problem;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    App, Command,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Flag, WrongFields},
    refusal::{CommandError, at_once},
};

/// The scope of claims under which e-mail addresses stand, as blind indexes.
pub const EMAIL: &str = "email";

/// Makes an account.
pub struct RegisterMember {
    email: Email,
    password: NewPassword,
    display_name: Option<DisplayName>,
    is_of_age: Option<bool>,
}

/// A password until it is hashed.
pub enum NewPassword {
    Given(Box<str>),
    Hashed(PasswordHash),
}

impl NewPassword {
    /// Checks the password against the configured minimum and hashes it. `pointer` says which field
    /// of the body it is.
    pub async fn hash(&mut self, app: &App, pointer: &'static str) -> Result<(), Problem> {
        if let Some(password) = self.check(app, pointer)? {
            *self = Self::Hashed(app.hasher.hash(password).await?);
        }
        Ok(())
    }

    /// As [`Self::hash`], without hashing: nothing where it is hashed already.
    pub fn check(&self, app: &App, pointer: &'static str) -> Result<Option<Password>, Problem> {
        let Self::Given(raw) = self else { return Ok(None) };
        let checked = Password::parse_with_min(raw, app.settings.password_characters_min);
        checked.map(Some).map_err(|broken| {
            let mut wrong = WrongFields::default();
            let _: Option<()> = wrong.note(pointer, &broken);
            wrong.into_problem().unwrap_or_else(Problem::internal)
        })
    }

    pub fn hashed(&self) -> Result<PasswordHash, CommandError> {
        match self {
            Self::Hashed(hash) => Ok(hash.clone()),
            Self::Given(_) => Err(Problem::internal().into()),
        }
    }
}

/// The body of `register-member`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterMemberBody {
    /// Unique up to case.
    #[schema(value_type = String, required, format = Email, min_length = 5, max_length = 254)]
    #[serde(default)]
    email: Field<Email>,
    /// At least 12 characters (configurable), any characters, none of the common ones.
    #[schema(value_type = String, required, format = Password, min_length = 8, max_length = 1_024)]
    #[serde(default)]
    password: Field<PasswordText>,
    #[schema(value_type = Option<String>, max_length = 32)]
    #[serde(default)]
    display_name: Field<DisplayName>,
    /// Says that whoever registers is as old as `minimum_age` of `/v1/settings`, and is asked for where
    /// that is more than 0. It is not stored: without it there is no account (LAW-11).
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    is_of_age: Field<Flag>,
}

/// A password as typed; its rules depend on the configuration.
pub struct PasswordText(pub Box<str>);

impl std::str::FromStr for PasswordText {
    type Err = agora_domain::RuleBreak;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Ok(Self(raw.into()))
    }
}

impl Command for RegisterMember {
    const NAME: &'static str = "register-member";
    const SUMMARY: &'static str = "Register with an e-mail address and a password";
    const RULES: &'static [&'static str] = &[
        "CRD-01", "CRD-06", "CRD-07", "CRD-08", "CRD-09", "CRD-12", "MEM-01", "GST-06", "LAW-11",
        "ESX-04",
    ];
    const COUNTS_GUESTS: bool = true;
    type Body = RegisterMemberBody;

    fn parse(body: RegisterMemberBody, wrong: &mut WrongFields) -> Option<Self> {
        let email = wrong.required("/email", body.email);
        let password = wrong.required("/password", body.password);
        let display_name = wrong.optional("/display_name", body.display_name);
        let is_of_age = wrong.optional("/is_of_age", body.is_of_age);
        Some(Self {
            email: email?,
            password: NewPassword::Given(password?.0),
            display_name: display_name?,
            is_of_age: is_of_age?.map(|flag| flag.0),
        })
    }

    async fn prepare(&mut self, app: &App, caller: &Caller) -> Result<(), Problem> {
        self.password.check(app, "/password")?;
        let configured =
            app.log.load::<Configuration>(REGISTRATION_REQUIRES_CONFIRMATION.key).await;
        let configured = configured.map_err(|error| at_once(error.into()))?;
        if REGISTRATION_REQUIRES_CONFIRMATION.flag(&configured.state) {
            app.begin_mail(&self.email, caller)?;
        }
        self.password.hash(app, "/password").await
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        self.is_old_enough(decision).await?;
        let member_id: MemberId = decision.new_id();
        let credential_id: CredentialId = decision.new_id();
        let holder = Actor::member(member_id);
        decision.is_sent_by(holder);
        let identity = PersonalCategory::Identity;
        let register = RegisterCredential {
            credential_id,
            holder,
            email: decision.personal(holder, identity, self.email.clone()),
            password_hash: decision.personal(
                holder,
                PersonalCategory::Credential,
                self.password.hashed()?,
            ),
        };
        let display_name =
            self.display_name.clone().map(|name| decision.personal(holder, identity, name));
        let credential = decision.begin::<Credential>(credential_id);
        if decision.flag(&REGISTRATION_REQUIRES_CONFIRMATION).await? {
            // The address is taken when it is confirmed. Until then nothing here differs by whether
            // somebody has it: the mail that follows does.
            let confirmation_id: EmailConfirmationId = decision.new_id();
            let valid = i64::from(decision.app.settings.email_confirmation_seconds);
            let expires_at = decision.now + TimeDelta::seconds(valid);
            let register =
                RegisterToConfirm { register, confirmation_id, expires_at, display_name };
            let register = CredentialCommand::RegisterToConfirm(register);
            decision.decide_on_target(&credential, register).await?;
            let result = json!({ "confirmation": "by_mail" });
            return Ok(Done::of::<Credential>(credential_id).with_result(result));
        }
        decision.decide(&credential, CredentialCommand::Register(register)).await?;
        let credential_holder = holder;
        let register = Register { member_id, credential_id, display_name, credential_holder };
        let member = decision.begin::<Member>(member_id);
        decision.decide_on_target(&member, MemberCommand::Register(register)).await?;
        decision.take(EMAIL, decision.app.email_index(&self.email), credential_id);
        Ok(Done::of::<Member>(member_id))
    }

    fn example() -> Value {
        json!({
            "email": "ola@example.org",
            "password": "an uncommon phrase of words",
            "display_name": "Ola",
        })
    }
}

impl RegisterMember {
    /// Nobody is asked for a date of birth: that would be more than is needed (Art. 5(1)(c) GDPR).
    async fn is_old_enough(&self, decision: &mut Decision<'_>) -> Result<(), CommandError> {
        let minimum = decision.number(&MINIMUM_AGE).await?.unwrap_or_default();
        match self.is_of_age {
            Some(true) => Ok(()),
            None if minimum == 0 => Ok(()),
            _ => {
                let detail = format!("Accounts are for people of {minimum} years and more.");
                Err(Problem::rule_broken("LAW-11", detail).into())
            }
        }
    }
}
