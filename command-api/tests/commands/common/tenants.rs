//! Organizations and who acts for them.

use agora_domain::Actor;
use serde_json::{Value, json};

use super::{Answer, Person, SeedSession, World, unique};

impl World {
    /// An organization that nobody is in.
    pub async fn organization(&self, admin: &Person) -> String {
        let body = json!({ "name": unique("Stiftelsen") });
        self.send(admin, "create-organization", body).await.id()
    }

    pub async fn place(&self, admin: &Person, id: &str, actor: Actor, role: &str) -> Answer {
        let body = json!({ "organization_id": id, "principal": actor, "role": role });
        self.send(admin, "add-organization-member", body).await
    }

    pub async fn displace(&self, admin: &Person, id: &str, actor: Actor) -> Answer {
        let body = json!({ "organization_id": id, "principal": actor });
        self.send(admin, "remove-organization-member", body).await
    }

    /// One more session of somebody, of an organization.
    pub async fn session_in(&self, person: &Person, organization_id: &str) -> Person {
        let seed = SeedSession::new(person.actor).within(organization_id);
        let (token, session_id) = (seed.token.clone(), seed.session_id.to_string());
        self.execute(seed).await;
        Person { token, session_id, ..person.clone() }
    }

    /// A new member with a session of an organization that it is in.
    pub async fn org_user(&self, admin: &Person, organization_id: &str, role: &str) -> Person {
        let member = self.member().await;
        self.place(admin, organization_id, member.actor, role).await.accepted();
        self.session_in(&member, organization_id).await
    }

    /// An organization with a reporter.
    pub async fn reporter(&self) -> (String, Person) {
        let admin = self.admin(&[]).await;
        let organization_id = self.organization(&admin).await;
        let reporter = self.org_user(&admin, &organization_id, "reporter").await;
        (organization_id, reporter)
    }
}

/// A report of a quarter.
pub fn report(period_label: &str) -> Value {
    let (year, quarter) = period_label.split_once("-Q").unwrap();
    let (from, to) = match quarter {
        "1" => ("01-01", "03-31"),
        "2" => ("04-01", "06-30"),
        "3" => ("07-01", "09-30"),
        _ => ("10-01", "12-31"),
    };
    json!({
        "period_label": period_label,
        "period_from": format!("{year}-{from}"),
        "period_to": format!("{year}-{to}"),
        "schema_version": "1.0",
        "sections": sections(128),
    })
}

pub fn sections(families: u32) -> Value {
    json!([{
        "key": "families", "title": "Counselling of families",
        "measures": [
            {
                "key": "families_counselled", "label": "Families that were counselled",
                "value": families, "unit": "families", "note": "Among them the Hansen family.",
            },
            { "key": "hours", "label": "Hours of counselling", "value": "412.50", "unit": "hours" },
            { "key": "share", "label": "Share by video", "value": 12.5, "unit": "%" },
            { "key": "waiting", "label": "Is there a waiting list?", "value": "yes" },
        ],
    }])
}
