//! Privacy policies, and answers to questions for consent.

use agora_domain::identity::values::AdminScope;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Answer, Call, Person, World};

/// Somebody who writes policies and somebody who reviews them.
pub struct Lawyers {
    pub author: Person,
    pub reviewer: Person,
}

pub fn rfc3339(at: DateTime<Utc>) -> String {
    at.trunc_subsecs(6).to_rfc3339()
}

pub fn in_seconds(seconds: i64) -> String {
    rfc3339(Utc::now() + TimeDelta::seconds(seconds))
}

pub fn draft(number: &str, effective_date: &str, acceptance_required: bool) -> Value {
    json!({
        "version_number": number,
        "effective_date": effective_date,
        "policy_content": format!("What {number} says we do with your data."),
        "major_changes": ["We ask less."],
        "acceptance_required": acceptance_required,
    })
}

/// A question for consent and its answer.
pub fn answer(consent_type: &str, purpose: &str, version: &str) -> Value {
    json!({
        "consent_type": consent_type,
        "purpose_description": "We note what you do, to make this better.",
        "consent_method": "EXPLICIT_OPT_IN",
        "consent_version": version,
        "legal_basis": "CONSENT",
        "data_categories": ["usage"],
        "processing_purposes": [purpose],
        "third_party_sharing": false,
    })
}

impl World {
    pub async fn lawyers(&self) -> Lawyers {
        Lawyers { author: self.admin(&[]).await, reviewer: self.admin(&[AdminScope::Legal]).await }
    }

    pub async fn on_version(&self, person: &Person, command: &str, version_id: &str) -> Answer {
        let mut body = json!({ "version_id": version_id });
        if command == "request-policy-changes" {
            body["reason"] = "It does not name the processors.".into();
        }
        self.send(person, command, body).await
    }

    /// A version on which nothing is left to do but its publication.
    pub async fn approved(&self, lawyers: &Lawyers, draft: Value) -> String {
        let id = self.send(&lawyers.author, "draft-policy", draft).await.id();
        self.on_version(&lawyers.author, "submit-policy", &id).await.accepted();
        self.on_version(&lawyers.reviewer, "approve-policy", &id).await.accepted();
        id
    }

    /// A version that is published, and holds from now on.
    pub async fn policy(
        &self,
        lawyers: &Lawyers,
        number: &str,
        acceptance_required: bool,
    ) -> String {
        let draft = draft(number, "2020-01-01T00:00:00Z", acceptance_required);
        let id = self.approved(lawyers, draft).await;
        self.on_version(&lawyers.author, "publish-policy", &id).await.accepted();
        id
    }

    /// The same command with `Sec-GPC`.
    pub async fn send_opted_out(&self, person: &Person, command: &str, body: Value) -> Answer {
        let call = Call::new(command).token(&person.token).header("sec-gpc", "1");
        self.request(call.body(body)).await
    }
}
