//! A person in every entity that takes something of people, with words that stand nowhere else.

use std::{fs, path::Path, time::Duration};

use agora_harness::{
    agora::{Accepted, Commands, Reads, Session},
    client::{Client, Header},
};
use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::installation::Installation;

pub(super) const NAME: &str = "Qvarnestolpen";
pub(super) const NAME_NOW: &str = "Þórkveldadóttir";
pub(super) const EMAIL: &str = "hrafnqvist@zelkovina.example";
pub(super) const EMAIL_NOW: &str = "vaskurbjorn@quirimond.example";
pub(super) const ADDRESS: &str = "198.51.100.217";
pub(super) const ADDRESS_6: &str = "2001:db8:5e1f:a9c3::d00d";
pub(super) const AGENT: &str = "Gnellbrowserix";
pub(super) const REFERRER: &str = "Skarvqvisthavn";
pub(super) const TITLE: &str = "Brimsvartholmen";
pub(super) const TITLE_NOW: &str = "Kveldulvshornet";
pub(super) const BODY: &str = "Drangvitniskeri";
pub(super) const BODY_NOW: &str = "Fjøsnisseqvelder";
pub(super) const SECOND_TITLE: &str = "Haugtussvinteren";
pub(super) const REMOVAL: &str = "Nøkkenrosemyren";
pub(super) const APPEAL: &str = "Tiriltungevatnet";
pub(super) const DECISION: &str = "Urdarbrunnslien";
pub(super) const COMMENT: &str = "Gygrestolfjellet";
pub(super) const COMMENT_NOW: &str = "Vardøgerqvartalet";
pub(super) const NOTICE: &str = "Jutulhogstgjelet";
pub(super) const NOTICE_REASON: &str = "Sølvkyrslottet";
pub(super) const SEARCH: &str = "Draugenqvasten";
pub(super) const PURPOSE: &str = "Myrsnipelyngen";
pub(super) const EVIDENCE: &str = "Perleqvilduggen";
pub(super) const WITHDRAWAL: &str = "Rimtusshaugane";
pub(super) const RESTRICTION: &str = "Steinrøysqvernen";
pub(super) const LIFTING: &str = "Trollheimsqvika";
pub(super) const OBJECTION: &str = "Ulvetidsnettene";
pub(super) const NOTE: &str = "Vettalandsbukti";
pub(super) const SUSPENSION: &str = "Ymerskallqvelv";
pub(super) const REJECTION: &str = "Åsgardsreidtoget";
pub(super) const DELAY: &str = "Øyhelleqvisling";

pub(super) const ALL: &[&str] = &[
    NAME,
    NAME_NOW,
    EMAIL,
    EMAIL_NOW,
    ADDRESS,
    ADDRESS_6,
    AGENT,
    REFERRER,
    TITLE,
    TITLE_NOW,
    BODY,
    BODY_NOW,
    SECOND_TITLE,
    REMOVAL,
    APPEAL,
    DECISION,
    COMMENT,
    COMMENT_NOW,
    NOTICE,
    NOTICE_REASON,
    SEARCH,
    PURPOSE,
    EVIDENCE,
    WITHDRAWAL,
    RESTRICTION,
    LIFTING,
    OBJECTION,
    NOTE,
    SUSPENSION,
    REJECTION,
    DELAY,
];

/// Of somebody else, which stays.
pub(super) const OTHERS: &str = "Blåklokkevikene";

const PASSWORD: &str = "an uncommon phrase of words";
const CONSENTED: &str = "search_analytics";
const PATIENCE: Duration = Duration::from_secs(30);

/// Everybody, when all is written.
pub(super) struct Cast {
    pub(super) admin: Session,
    pub(super) auditor: Session,
    pub(super) neighbour: Session,
    pub(super) person: Session,
    pub(super) community: &'static str,
    pub(super) policy: &'static str,
    pub(super) others_post: Uuid,
}

/// Where they are.
struct Stage<'i> {
    here: &'i Installation,
    admin: Commands,
    admin_session: Session,
    /// The person's: of a computer, and of a telephone.
    own: Commands,
    phone: Commands,
    person: Session,
}

fn headers(address: &'static str) -> [Header<'static>; 3] {
    [
        ("x-forwarded-for", address),
        ("user-agent", AGENT),
        ("referer", "https://Skarvqvisthavn.example/"),
    ]
}

#[track_caller]
fn id(value: &Value) -> Uuid {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no id: {value}"))
}

async fn send(commands: &mut Commands, name: &str, body: Value) -> Accepted {
    commands.send(name, &body).await.unwrap_or_else(|error| panic!("{error}"))
}

impl Cast {
    pub(super) async fn assemble(here: &Installation) -> Self {
        let (commands, told) = (here.address(2), here.stack());
        let mut admin = Commands::new(&commands);
        let admin_session = admin.log_in(&told.admin_email, &told.admin_password).await.unwrap();
        let others = ["auditor", "legal"].map(|scope| {
            json!({ "email": format!("{scope}@example.org"), "password": PASSWORD, "scopes": [scope] })
        });
        for other in others {
            send(&mut admin, "create-admin", other).await;
        }
        let auditor =
            Commands::new(&commands).log_in("auditor@example.org", PASSWORD).await.unwrap();
        let neighbour = Commands::new(&commands)
            .register("neighbour@example.org", PASSWORD, None)
            .await
            .unwrap();

        let mut own = Commands::new(&commands).with_headers(&headers(ADDRESS));
        let registered = own.register(EMAIL, PASSWORD, Some(NAME)).await.unwrap();
        let phone = Commands::new(&commands).with_headers(&headers(ADDRESS_6));
        let mut stage = Stage { here, admin, admin_session, own, phone, person: registered };
        stage.account().await;
        let (post, others_post) = stage.content(&neighbour).await;
        let policy = stage.consents(&auditor).await;
        stage.limits().await;
        stage.organization().await;
        stage.moderation(post, others_post).await;
        stage.refused_erasure().await;
        stage.exports(&neighbour).await;
        let (admin, person) = (stage.admin_session, stage.person);
        Self { admin, auditor, neighbour, person, community: "kvitsand", policy, others_post }
    }
}

impl Stage<'_> {
    fn reads(&self, session: &Session) -> Reads {
        let mut reads = Reads::new(&self.here.address(3)).with_headers(&headers(ADDRESS));
        reads.act_as(session);
        reads
    }

    /// What a list shows, once it shows it.
    async fn shown(&self, session: &Session, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let (begun, mut reads) = (Instant::now(), Reads::new(&self.here.address(3)));
        reads.act_as(session);
        loop {
            let list = reads.json(path).await.unwrap();
            let item = list["items"].as_array().and_then(|items| items.iter().find(|it| is_it(it)));
            if let Some(item) = item {
                return item.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{path} shows {list}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The sessions anew, as they end with what becomes of an account.
    async fn log_in(&mut self, email: &str) {
        self.person = self.own.log_in(email, PASSWORD).await.unwrap();
        self.phone.log_in(email, PASSWORD).await.unwrap();
    }

    async fn account(&mut self) {
        self.log_in(EMAIL).await;
        send(&mut self.own, "change-display-name", json!({ "display_name": NAME_NOW })).await;
        let change = json!({ "email": EMAIL_NOW, "password": PASSWORD });
        send(&mut self.own, "change-email", change).await;
        let token = self.token_in_mail().await;
        send(&mut self.own, "confirm-email", json!({ "token": token })).await;
        self.log_in(EMAIL_NOW).await;
        // Whoever is not known, from elsewhere: a password that is wrong, one that is forgotten.
        let mut stranger = Commands::new(&self.here.address(2));
        assert!(stranger.log_in(EMAIL_NOW, "another phrase of words").await.is_err());
        send(&mut stranger, "request-password-reset", json!({ "email": EMAIL_NOW })).await;
    }

    /// Of the mail that asks whether the new address is right.
    async fn token_in_mail(&self) -> String {
        let begun = Instant::now();
        loop {
            for mail in mails(&self.here.home).filter(|mail| mail.contains(EMAIL_NOW)) {
                if let Some(token) = mail.lines().find(|line| line.len() == 86) {
                    return token.to_owned();
                }
            }
            assert!(begun.elapsed() < PATIENCE, "there is no mail");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The person's first post, and the neighbour's.
    async fn content(&mut self, neighbour: &Session) -> (Uuid, Uuid) {
        let category = send(&mut self.admin, "create-category", json!({ "name": "shores" })).await;
        let mut others = Commands::new(&self.here.address(2));
        others.act_as(neighbour);
        let create = json!({ "name": "kvitsand", "category_id": category.aggregate_id });
        let community = send(&mut others, "create-community", create).await.aggregate_id;
        let in_it = json!({ "community_id": community });
        let write = json!({ "community_id": community, "title": format!("All of {OTHERS}"),
                            "body": "It is for everybody to see." });
        let others_post = send(&mut others, "create-post", write).await.aggregate_id;

        send(&mut self.own, "join-community", in_it.clone()).await;
        send(&mut self.own, "visit-community", in_it).await;
        let create = json!({ "name": "svartsand", "category_id": category.aggregate_id });
        send(&mut self.phone, "create-community", create).await;
        let write = json!({ "community_id": community, "title": format!("From {TITLE}"),
                            "body": format!("I live at {BODY}.") });
        let post = send(&mut self.own, "create-post", write).await.aggregate_id;
        let edit = json!({ "post_id": post, "title": format!("From {TITLE_NOW}"),
                           "body": format!("I live at {BODY_NOW}.") });
        send(&mut self.phone, "edit-post", edit).await;
        // What is remembered under a key is a reply.
        let mut client = Client::new(self.here.address(2)).with_headers(&headers(ADDRESS));
        client.set_token(Some(self.person.token.clone()));
        let comment = json!({ "post_id": others_post, "body": format!("Is it {COMMENT}?") });
        let reply =
            client.post("/v1/commands/create-comment", &comment, Some("a-key-of-mine")).await;
        let comment = id(&reply.unwrap().json()["aggregate_id"]);
        let edit = json!({ "comment_id": comment, "body": format!("It is {COMMENT_NOW}.") });
        send(&mut self.own, "edit-comment", edit).await;
        let vote = |kind: &str, id: Uuid| json!({ "target": { "kind": kind, "id": id }, "vote_state": "upvote" });
        send(&mut self.own, "cast-vote", vote("post", others_post)).await;
        send(&mut others, "cast-vote", vote("post", post)).await;
        send(&mut others, "cast-vote", vote("comment", comment)).await;
        let answer = json!({ "post_id": post, "body": "A fine place." });
        let answer = send(&mut others, "create-comment", answer).await.aggregate_id;
        send(&mut self.phone, "cast-vote", vote("comment", answer)).await;
        (post, others_post)
    }

    /// Returns the number of the policy that holds.
    async fn consents(&mut self, auditor: &Session) -> &'static str {
        let draft = json!({ "version_number": "v1", "effective_date": Utc::now().to_rfc3339(),
            "policy_content": "We note what is searched for.", "major_changes": [],
            "acceptance_required": false });
        let version = send(&mut self.admin, "draft-policy", draft).await.aggregate_id;
        let version = json!({ "version_id": version });
        let mut lawyer = Commands::new(&self.here.address(2));
        lawyer.log_in("legal@example.org", PASSWORD).await.unwrap();
        send(&mut self.admin, "submit-policy", version.clone()).await;
        send(&mut lawyer, "approve-policy", version.clone()).await;
        send(&mut self.admin, "publish-policy", version).await;
        send(&mut self.own, "accept-policy", json!({ "version_number": "v1" })).await;
        let grant = json!({ "consent_type": "ANALYTICS", "purpose_description": format!("For {PURPOSE}."),
            "consent_method": "EXPLICIT_OPT_IN", "consent_version": "v1", "legal_basis": "CONSENT",
            "data_categories": ["searches"], "processing_purposes": [CONSENTED],
            "third_party_sharing": false, "evidence_data": { "form": EVIDENCE } });
        send(&mut self.own, "grant-consent", grant).await;
        let mut reads = self.reads(&self.person);
        for list in ["posts", "comments"] {
            reads.json(&format!("/v1/search/{list}?q={SEARCH}")).await.unwrap();
        }
        let noted =
            |it: &Value| it.to_string().contains(SEARCH) && it["member_user_id"].is_string();
        self.shown(auditor, "/v1/search-logs", noted).await;
        let withdraw = json!({ "consent_type": "ANALYTICS", "purpose": CONSENTED,
                               "reason": format!("Because of {WITHDRAWAL}.") });
        send(&mut self.phone, "withdraw-consent", withdraw).await;
        "v1"
    }

    async fn limits(&mut self) {
        let restrict = json!({ "ground": "ACCURACY_CONTESTED", "reason": RESTRICTION });
        send(&mut self.own, "restrict-processing", restrict).await;
        let whose = json!({ "kind": "member", "id": self.person.id });
        let lift = json!({ "principal": whose, "reason": format!("It was {LIFTING}.") });
        send(&mut self.admin, "lift-restriction", lift).await;
        let object =
            json!({ "consent_type": "MARKETING", "purpose": "newsletters", "reason": OBJECTION });
        send(&mut self.own, "object-to-processing", object).await;
    }

    async fn organization(&mut self) {
        let create = json!({ "name": "Familievernkontoret" });
        let organization = send(&mut self.admin, "create-organization", create).await.aggregate_id;
        let whose = json!({ "kind": "member", "id": self.person.id });
        let add =
            json!({ "organization_id": organization, "role": "reporter", "principal": whose });
        send(&mut self.admin, "add-organization-member", add).await;
        let mut office = Commands::new(&self.here.address(2)).with_headers(&headers(ADDRESS));
        let login =
            json!({ "email": EMAIL_NOW, "password": PASSWORD, "organization_id": organization });
        let token = send(&mut office, "log-in", login).await.result["token"].clone();
        office.act_with(token.as_str().unwrap().to_owned());
        let measure = json!({ "key": "families", "label": "Families", "value": 12,
                              "note": format!("Ask {NOTE}.") });
        let section =
            json!({ "key": "counselling", "title": "Counselling", "measures": [measure] });
        let report = json!({ "period_label": "2025-Q1", "period_from": "2025-01-01",
            "period_to": "2025-03-31", "schema_version": "1.0", "sections": [section] });
        send(&mut office, "create-report", report).await;
    }

    async fn moderation(&mut self, post: Uuid, others_post: Uuid) {
        let report = json!({ "target": { "kind": "post", "id": others_post },
            "ground": "BREAKS_TERMS", "explanation": format!("It shows {NOTICE}.") });
        let notice = send(&mut self.own, "report-content", report).await.aggregate_id;
        let decide =
            json!({ "notice_id": notice, "outcome": "NO_ACTION", "reason": NOTICE_REASON });
        send(&mut self.admin, "decide-content-notice", decide).await;

        let community = Reads::new(&self.here.address(3)).json(&format!("/v1/posts/{post}")).await;
        let community = community.unwrap()["community_platform_community_id"].clone();
        let write =
            json!({ "community_id": community, "title": SECOND_TITLE, "body": "Of no use." });
        let second = send(&mut self.own, "create-post", write).await.aggregate_id;
        let remove = json!({ "post_id": second, "reason": format!("Not {REMOVAL}.") });
        send(&mut self.admin, "delete-post", remove).await;
        let is_it = |it: &Value| it.to_string().contains(&second.to_string());
        let notice = self.shown(&self.person, "/v1/me/moderation-notices", is_it).await;
        let moderation = notice["id"].clone();
        let appeal = json!({ "moderation_id": moderation, "text": format!("But {APPEAL}.") });
        send(&mut self.own, "appeal-moderation", appeal).await;
        let mut judge = Commands::new(&self.here.address(2));
        judge.log_in("legal@example.org", PASSWORD).await.unwrap();
        let decide =
            json!({ "moderation_id": moderation, "outcome": "upheld", "reason": DECISION });
        send(&mut judge, "decide-appeal", decide).await;

        let suspend =
            json!({ "member_id": self.person.id, "reason": format!("For {SUSPENSION}.") });
        send(&mut self.admin, "suspend-member", suspend).await;
        send(&mut self.admin, "reinstate-member", json!({ "member_id": self.person.id })).await;
        self.log_in(EMAIL_NOW).await;
        // What is found out about somebody is the incident's, as is the address in it (docs/erasure.md).
        let incident = json!({ "incident_type": "SUSPICIOUS_BEHAVIOR", "severity_level": "LOW",
            "source_ip": "203.0.113.66", "user": { "kind": "member", "id": self.person.id } });
        send(&mut self.admin, "report-incident", incident).await;
    }

    /// One that was rejected, with a mail that says why.
    async fn refused_erasure(&mut self) {
        let ask = json!({ "legal_ground": "CONSENT_WITHDRAWN" });
        let request = send(&mut self.own, "request-deletion", ask).await.aggregate_id;
        let of_it = json!({ "deletion_id": request });
        send(&mut self.admin, "start-deletion-review", of_it).await;
        let reject =
            json!({ "deletion_id": request, "reason": format!("Because of {REJECTION}.") });
        send(&mut self.admin, "reject-deletion", reject).await;
    }

    /// The person's own data, and what is public of everybody's.
    async fn exports(&mut self, neighbour: &Session) {
        let mut others = Commands::new(&self.here.address(2));
        others.act_as(neighbour);
        let own = json!({ "kind": "subject_data", "request_type": "FULL_EXPORT", "format": "JSON",
                          "delivery_method": "EMAIL" });
        let own = send(&mut self.own, "request-export", own).await.aggregate_id;
        let completed = |it: &Value, id: Uuid| it["id"] == json!(id) && it["status"] == "completed";
        let list = "/v1/data-export-logs?limit=100";
        for export_type in ["posts", "comments"] {
            let all =
                json!({ "kind": "platform_data", "export_type": export_type, "format": "json" });
            let all = send(&mut others, "request-export", all).await.aggregate_id;
            self.shown(neighbour, list, |it| completed(it, all)).await;
        }
        self.shown(&self.person, list, |it| completed(it, own)).await;
    }
}

/// Mails in files.
fn mails(home: &Path) -> impl Iterator<Item = String> {
    let folder = fs::read_dir(home.join("mail")).into_iter().flatten().flatten();
    folder.filter_map(|entry| fs::read_to_string(entry.path()).ok())
}
