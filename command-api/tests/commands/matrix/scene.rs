//! The people of the matrix, and the things that they act on.

use std::collections::BTreeMap;

use agora_command_api::Settings;
use agora_domain::{identity::values::AdminScope, permissions::Roles};
use serde_json::{Value, json};

use super::super::guests::Visitor;
use super::table::ORG_USERS;
use crate::common::{Call, PASSWORD, Person, Settled, World, answer, draft, report, unique};

/// One of the roles, with what it shows.
#[derive(Clone)]
pub enum Shows {
    Nothing,
    Signature(Visitor),
    Session(Person),
    /// A service account's.
    Key(String),
}

impl Shows {
    pub fn header(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Nothing => None,
            Self::Signature(guest) => Some(("agora-guest", guest.signature.clone())),
            Self::Session(person) => Some(("authorization", format!("Bearer {}", person.token))),
            Self::Key(key) => Some(("authorization", format!("Bearer {key}"))),
        }
    }
}

/// What the domain's table knows a role's letter as.
pub fn roles(letter: char) -> Roles {
    let admin = |scope| Roles::of_admin(&[scope]);
    match letter {
        'g' => Roles::GUEST,
        'v' => Roles::GUEST.and(Roles::SIGNED_GUEST),
        'm' | 'w' | 'o' => Roles::MEMBER,
        'r' | 'e' => Roles::MEMBER.and(Roles::ORG_USER),
        's' => Roles::RESTRICTED_MEMBER,
        'a' => Roles::of_admin(&[]).in_person(),
        'k' => admin(AdminScope::Security),
        'j' => admin(AdminScope::Ops),
        letter => scope(letter).map_or(Roles::NOBODY, |scope| admin(scope).in_person()),
    }
}

fn scope(letter: char) -> Option<AdminScope> {
    Some(match letter {
        'G' => AdminScope::Global,
        'S' => AdminScope::Security,
        'P' => AdminScope::Privacy,
        'L' => AdminScope::Legal,
        'U' => AdminScope::Auditor,
        'X' => AdminScope::Ops,
        _ => return None,
    })
}

/// Everybody and everything, made when it is asked for first.
pub struct Scene {
    pub world: World,
    /// Has moderated, and made what the others find.
    pub founder: Person,
    /// Somebody to log in as: each login may end an older one.
    account: Person,
    /// Owns what is nobody's of the roles.
    known: Person,
    home: String,
    /// Where the reporter and the reader are.
    organization: String,
    people: BTreeMap<char, Shows>,
    /// By the fields that name them.
    things: BTreeMap<String, String>,
}

impl Scene {
    pub async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    pub async fn with(settings: Settings) -> Self {
        let world = World::with(settings).await;
        let Settled { admin: founder, owner: known, community_id: home, .. } =
            world.settled().await;
        let account = world.member().await;
        let organization = world.organization(&founder).await;
        let (people, things) = (BTreeMap::new(), BTreeMap::new());
        Self { world, founder, account, known, home, organization, people, things }
    }

    /// What somebody of the role shows; a session of its own, since some commands end the one that
    /// they are sent with.
    pub async fn shows(&mut self, letter: char) -> Shows {
        let shows = match self.people.get(&letter) {
            Some(shows) => shows.clone(),
            None => self.somebody(letter).await,
        };
        self.people.insert(letter, shows.clone());
        match shows {
            Shows::Session(person) if ORG_USERS.contains(letter) => {
                Shows::Session(self.world.session_in(&person, &self.organization).await)
            }
            Shows::Session(person) if !"dz".contains(letter) => {
                Shows::Session(self.world.another_session(&person).await)
            }
            shows => shows,
        }
    }

    async fn somebody(&self, letter: char) -> Shows {
        let world = &self.world;
        Shows::Session(match letter {
            'g' => return Shows::Nothing,
            'v' => return Shows::Signature(world.visitor().await),
            'k' => return Shows::Key(self.service_account("security").await.1),
            'j' => return Shows::Key(self.service_account("ops").await.1),
            'm' | 'w' | 'o' => {
                let member = world.member().await;
                world.join(&member, &self.home).await;
                member
            }
            'r' | 'e' => {
                let member = world.member().await;
                world.join(&member, &self.home).await;
                let role = if letter == 'r' { "reporter" } else { "reader" };
                self.place(&member, role).await;
                member
            }
            's' => {
                let member = world.member().await;
                let body = json!({ "member_id": member.id() });
                world.send(&self.founder, "suspend-member", body).await.accepted();
                member
            }
            'd' => {
                let member = world.member().await;
                let body = json!({ "member_id": member.id(), "reason": "Asked for by letter." });
                world.send(&self.founder, "mark-member-for-deletion", body).await.accepted();
                let body = json!({ "member_id": member.id() });
                world.send(&self.founder, "delete-member", body).await.accepted();
                member
            }
            'z' => {
                let admin = world.admin(&[AdminScope::Global]).await;
                let body = json!({ "admin_id": admin.id() });
                world.send(&self.founder, "suspend-admin", body).await.accepted();
                admin
            }
            letter => {
                let scopes: Vec<AdminScope> = scope(letter).into_iter().collect();
                world.admin(&scopes).await
            }
        })
    }

    async fn person(&mut self, letter: char) -> Person {
        match self.shows(letter).await {
            Shows::Session(person) => person,
            _ => panic!("{letter} has no session"),
        }
    }

    /// Puts somebody into the organization.
    async fn place(&self, member: &Person, role: &str) {
        let placed = self.world.place(&self.founder, &self.organization, member.actor, role).await;
        placed.accepted();
    }

    /// The account's id and its key.
    async fn service_account(&self, scope: &str) -> (String, String) {
        let body = json!({ "display_name": "checks", "scopes": [scope] });
        let made = self.world.send(&self.founder, "create-service-account", body).await;
        (made.id(), made.result("key"))
    }

    /// The thing that a field names: the author's post, the owner's community.
    pub async fn thing(&mut self, field: &str) -> String {
        if let Some(id) = self.things.get(field) {
            return id.clone();
        }
        let (founder, home) = (self.founder.clone(), self.home.clone());
        let id = match field {
            "community_id" => {
                let owner = self.person('o').await;
                let category_id = self.world.category(&founder).await;
                let community_id = self.world.community(&owner, &category_id).await;
                for letter in "mwre".chars() {
                    let member = self.person(letter).await;
                    self.world.join(&member, &community_id).await;
                }
                community_id
            }
            "post_id" => {
                let author = self.person('w').await;
                self.world.post(&author, &home).await
            }
            "comment_id" => {
                let author = self.person('w').await;
                let post_id = self.world.post(&self.known, &home).await;
                let body = json!({ "post_id": post_id, "body": "A comment." });
                self.world.send(&author, "create-comment", body).await.id()
            }
            "moderation_id" | "lodged" => {
                let author = self.person('w').await;
                let post_id = self.world.post(&author, &home).await;
                let body = json!({ "post_id": post_id, "reason": "Off topic." });
                let deleted = self.world.send(&founder, "delete-post", body).await;
                let act = deleted.accepted()["events"].as_array().unwrap().last().unwrap();
                let act = act["event_id"].as_str().unwrap().to_owned();
                if field == "lodged" {
                    let body = json!({ "moderation_id": act, "text": "It was on topic." });
                    self.world.send(&author, "appeal-moderation", body).await.accepted();
                }
                act
            }
            "organization_id" => self.organization.clone(),
            "report_id" | "bufdir_report_id" => {
                let reporter = self.person('r').await;
                let mut body = report("2025-Q1");
                // Of a period and a version there is one draft.
                body["schema_version"] = unique("v").into();
                self.world.send(&reporter, "create-report", body).await.id()
            }
            "statutory" => {
                let report_id = Box::pin(self.thing("report_id")).await;
                let reporter = self.person('r').await;
                let body = json!({ "kind": "statutory_report", "bufdir_report_id": report_id,
                                   "format": "PDF", "source": "ADMIN_PORTAL" });
                self.world.send(&reporter, "request-export", body).await.id()
            }
            "export_id" => {
                let author = self.person('w').await;
                let body = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT",
                                   "format": "JSON", "delivery_method": "SECURE_PORTAL" });
                let asked = self.world.send(&author, "request-export", body).await;
                let token = asked.result("verification_token");
                self.things.insert("verification_token".to_owned(), token);
                asked.id()
            }
            "placed" => {
                let member = self.world.member().await;
                self.place(&member, "reader").await;
                member.id()
            }
            "version_id" => {
                let draft = draft(&unique("v"), "2099-01-01T00:00:00Z", false);
                self.world.send(&founder, "draft-policy", draft).await.id()
            }
            // The number of a version that holds, and a consent of the author's to it.
            "policy" => {
                let lawyers = self.world.lawyers().await;
                let number = unique("v");
                self.world.policy(&lawyers, &number, false).await;
                number
            }
            "consent" => {
                let version = Box::pin(self.thing("policy")).await;
                let author = self.person('w').await;
                let body = answer("COOKIES", "statistics", &version);
                self.world.send(&author, "grant-consent", body).await.result("consent_id")
            }
            "notice_id" => {
                let post_id = Box::pin(self.thing("post_id")).await;
                let known = self.known.clone();
                let body = json!({ "target": { "kind": "post", "id": post_id },
                    "ground": "BREAKS_TERMS", "explanation": "It is rude." });
                self.world.send(&known, "report-content", body).await.id()
            }
            // Whoever has set limits to what is done with its data.
            "restricted" => {
                let author = self.person('w').await;
                let ground = json!({ "ground": "NEEDED_FOR_CLAIMS" });
                self.world.send(&author, "restrict-processing", ground).await.accepted();
                author.id()
            }
            "deletion_id" => {
                let author = self.person('w').await;
                let body = json!({ "legal_ground": "OBJECTION" });
                self.world.send(&author, "request-deletion", body).await.id()
            }
            "certificate" => {
                let person = self.world.member().await;
                self.world.erased(&person, &founder).await
            }
            "category_id" => self.world.category(&founder).await,
            "key" => {
                let body = json!({ "key": "max_post_length", "value": "5000" });
                self.world.send(&founder, "set-configuration", body).await.accepted();
                "max_post_length".to_owned()
            }
            "integration_id" => {
                let body = json!({ "integration_name": unique("mailer"), "config_json": "{}" });
                self.world.send(&founder, "register-integration", body).await.id()
            }
            "admin_id" => self.world.admin(&[AdminScope::Auditor]).await.id(),
            "service_account" => self.service_account("ops").await.0,
            "member_id" => self.world.member().await.id(),
            "session_id" => self.world.member().await.session_id,
            "incident_id" | "breached" => {
                let body = json!({ "incident_type": "BRUTE_FORCE", "severity_level": "LOW",
                                   "source_ip": "203.0.113.200" });
                let incident_id = self.world.send(&founder, "report-incident", body).await.id();
                if field == "breached" {
                    let body = json!({ "incident_id": incident_id });
                    self.world.send(&founder, "declare-breach", body).await.accepted();
                }
                incident_id
            }
            "address" => {
                let body = json!({ "address": "203.0.113.9", "notes": unique("Seen ") });
                self.world.send(&founder, "annotate-ip", body).await.accepted();
                "203.0.113.9".to_owned()
            }
            "guest_id" => self.world.visitor().await.id,
            other => panic!("nothing is named by {other}"),
        };
        self.things.insert(field.to_owned(), id.clone());
        id
    }

    /// The command's example, about things that are there.
    pub async fn body(&mut self, command: &str, example: &Value, shows: &Shows) -> Value {
        let mut body = example.clone();
        let fields: Vec<String> = body.as_object().unwrap().keys().cloned().collect();
        for field in fields {
            if let Some(value) = self.value(command, &field, shows).await {
                body[field.as_str()] = value;
            }
        }
        let verb = command.split('-').next().unwrap_or_default();
        if matches!(verb, "edit" | "delete" | "restore")
            && !matches!(command, "delete-member" | "delete-admin" | "edit-policy-draft")
        {
            // Whoever moderates says why.
            body["reason"] = "Off topic.".into();
        }
        if command == "record-export-download" {
            body["verification_token"] = self.thing("verification_token").await.into();
        }
        body
    }

    /// What a field must be instead of its example, so that nothing but the role decides.
    async fn value(&mut self, command: &str, field: &str, shows: &Shows) -> Option<Value> {
        let session = match shows {
            Shows::Session(person) => Some(person),
            _ => None,
        };
        Some(match (command, field) {
            ("log-in", "email") => self.account.email.clone().into(),
            (_, "email") => format!("{}@example.org", unique("new")).into(),
            ("log-in" | "change-email" | "request-account-deletion", "password")
            | (_, "current_password") => PASSWORD.into(),
            ("create-community" | "create-category" | "create-organization", "name")
            | (_, "integration_name")
            | ("create-report", "schema_version") => unique("name").into(),
            // A name of the moment is for guests alone.
            ("create-comment" | "create-post", "display_name" | "author_display_name") => {
                Value::Null
            }
            // A service account has no session that could be kept.
            (_, "keep_current") => session.is_some().into(),
            (_, "order") => json!([self.thing("category_id").await]),
            ("add-organization-member", "principal") => {
                json!({ "kind": "member", "id": self.thing("member_id").await })
            }
            ("remove-organization-member", "principal") => {
                json!({ "kind": "member", "id": self.thing("placed").await })
            }
            ("import-consent", "principal") => {
                json!({ "kind": "member", "id": self.thing("member_id").await })
            }
            ("lift-restriction", "principal") => {
                json!({ "kind": "member", "id": self.thing("restricted").await })
            }
            ("draft-policy", "version_number") => unique("v").into(),
            (_, "export_ids") => json!([self.thing("export_id").await]),
            (_, "target") => json!({ "kind": "post", "id": self.thing("post_id").await }),
            ("revoke-session", "session_id") if session.is_some() => {
                session.map(|person| person.session_id.clone()).into()
            }
            ("forget-guest", "guest_id") if matches!(shows, Shows::Signature(_)) => Value::Null,
            ("decide-appeal", "moderation_id") => self.thing("lodged").await.into(),
            ("rotate-service-account-key" | "revoke-service-account-key", "admin_id") => {
                self.thing("service_account").await.into()
            }
            ("record-breach-notification", "incident_id") => self.thing("breached").await.into(),
            (_, "address") => self.thing("address").await.into(),
            (_, "key") => self.thing("key").await.into(),
            (_, id) if id.ends_with("_id") => self.thing(id).await.into(),
            _ => return None,
        })
    }

    /// What was carried out has changed things, and it may be who sent it: they are made anew.
    pub async fn carried_out(&mut self, command: &str, letter: char) {
        // Who has asked for its data asks again another day.
        if command == "request-export" || self.things.contains_key("export_id") {
            self.people.remove(&'w');
        }
        // Who asks to be erased asks once.
        if self.things.contains_key("deletion_id") {
            self.people.remove(&'w');
        }
        if command == "request-deletion" {
            self.people.remove(&letter);
        }
        self.things.clear();
        if command == "revoke-everybodys-sessions" {
            self.founder = self.world.another_session(&self.founder).await;
            self.known = self.world.another_session(&self.known).await;
        }
        if matches!(command, "request-account-deletion" | "change-password" | "forget-guest") {
            self.people.remove(&letter);
        }
    }

    pub fn call(command: &str, shows: &Shows, body: Value) -> Call {
        let call = Call::new(command).body(body);
        match shows.header() {
            Some((name, value)) => call.header(name, &value),
            None => call,
        }
    }
}
