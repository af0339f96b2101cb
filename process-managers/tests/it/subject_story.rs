//! A person with known data in every entity, among others whose data is as known: each text of the
//! person's own says `mine-…`, each of somebody else's `theirs-…`.

use agora_domain::{
    Actor, Decide,
    community::{
        category::Category, community::Community, community_rules::CommunityRules,
        membership::Membership, recent_communities::RecentCommunities,
    },
    compliance::{
        consent::Consent,
        consent_values::{ConsentTerm, ConsentType},
        deletion_request::DeletionRequest,
        policy_acceptance::PolicyAcceptance,
        processing_limit::ProcessingLimit,
        subject_erasures::SubjectErasures,
    },
    content::{
        comment::Comment, comment_vote::CommentVote, content_notice::ContentNotice,
        moderation_appeal::ModerationAppeal, post::Post, post_vote::PostVote,
    },
    exports::{
        bufdir_report::BufdirReport, export_downloads::ExportDownloads, export_job::ExportJob,
        organization::Organization, organization_membership::OrganizationMembership,
        subject_exports::SubjectExports,
    },
    identity::{
        admin::Admin, credential::Credential, member::Member,
        principal_sessions::PrincipalSessions, session::Session,
    },
    ids::{AdminId, MemberId},
    security::{
        audit::{AuditEventType, AuditResult},
        incident::Incident,
    },
};
use agora_event_store::{
    AppendError, EventLog, Opener, Position, Unit,
    log::Draft,
    searches::{self, Scope, Search, SearchLog},
    security::{Outcome, SecurityLog, SecurityRecord},
    security_audit::{Entry, Store},
    testing::TestDatabase,
};
use agora_projectors::{
    checkpoints,
    runner::applier::{Applier, Origin},
};
use agora_service::http::access::Said;
use chrono::Utc;
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use uuid::Uuid;

pub struct Story {
    pub database: TestDatabase,
    pub log: EventLog,
    pub me: Actor,
    /// A member and an admin whose ids must be in no bundle but their own.
    pub other: Actor,
    pub admin: Actor,
    pub job_id: Uuid,
}

/// A personal value, as the domain writes it.
fn personal(subject: Actor, category: &str, value: &str) -> Value {
    json!({ "$personal": { "subject": subject.id, "category": category, "value": value } })
}

fn actor(actor: Actor) -> Value {
    json!({ "kind": actor.kind.as_str(), "id": actor.id })
}

fn id() -> Uuid {
    Uuid::now_v7()
}

impl Story {
    /// Appends events, given as JSON, to a stream.
    pub async fn say<A: Decide>(&self, by: Actor, id: impl ToString, events: &[Value])
    where
        A::Event: serde::de::DeserializeOwned,
    {
        let events = events.iter().map(|event| serde_json::from_value(event.clone()).unwrap());
        let events: Vec<A::Event> = events.collect();
        let whose = if by == self.me { "198.51.100.7" } else { "203.0.113.99" };
        let metadata = format!(r#"{{"actor":"{by}","command_name":"test"}}"#);
        // As commands do: what others have appended meanwhile is known with the next try.
        for attempt in 0.. {
            let loaded = self.log.load_fresh::<A>(&id.to_string()).await.unwrap();
            let mut unit = Unit::default();
            let draft = Draft {
                loaded: &loaded,
                events: events.clone(),
                event_ids: &mut Uuid::now_v7,
                metadata: &metadata,
                client_address: Some((&by.subject(), whose)),
            };
            self.log.draft(&mut unit, draft).await.unwrap();
            match self.log.append(unit).await {
                Err(AppendError::Moved) if attempt < 5 => {}
                appended => return drop(appended.unwrap()),
            }
        }
    }

    pub async fn new() -> Self {
        let database = TestDatabase::new().await;
        let log = database.log().await;
        let (me, other) = (Actor::member(MemberId(id())), Actor::member(MemberId(id())));
        let admin = Actor::admin(AdminId(id()));
        let story = Self { database, log, me, other, admin, job_id: id() };
        for (who, whose) in [(me, "mine"), (other, "theirs"), (admin, "theirs")] {
            story.account(who, whose).await;
        }
        story.content().await;
        story.organization().await;
        // What is searched for after a consent was withdrawn is nobody's.
        story.records().await;
        story.consents().await;
        story.notices().await;
        story.incidents().await;
        story.export().await;
        story.deletions().await;
        story.project().await;
        story
    }

    async fn account(&self, who: Actor, whose: &str) {
        let (credential, session, is) = (id(), id(), actor(who));
        let name = personal(who, "identity", &format!("{whose}-name"));
        let email = |text: &str| personal(who, "identity", &format!("{whose}-{text}@example.org"));
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                    8Lh0vnQ2jdQxHjpzrHyxwvSB9xVJLqWTJKM5CYK5e1A";
        let hash = personal(who, "credential", hash);
        self.say::<Credential>(
            who,
            credential,
            &[
                json!({ "CredentialRegistered": { "credential_id": credential, "holder": is,
                "email": email("first"), "password_hash": hash } }),
                json!({ "EmailChangeRequested": { "confirmation_id": id(), "email": email("second"),
                "expires_at": "2030-01-01T00:00:00Z" } }),
                json!({ "EmailChanged": { "confirmation_id": id(), "email": email("second"),
                "previous": email("first") } }),
                json!({ "PasswordChanged": { "password_hash": hash } }),
            ],
        )
        .await;
        if who.is_admin() {
            self.say::<Admin>(
                who,
                who.id,
                &[json!({ "AdminCreated": { "admin_id": who.id,
                "credential_id": credential, "display_name": name, "scopes": ["security"],
                "created_by": actor(Actor::SYSTEM) } })],
            )
            .await;
        } else {
            let registered = json!({ "MemberRegistered": { "member_id": who.id,
                "credential_id": credential, "display_name": name } });
            self.say::<Member>(who, who.id, &[registered]).await;
            let reason = personal(who, "content", &format!("{whose}-suspension-reason"));
            let suspended = json!({ "MemberSuspended": { "suspended_by": actor(self.admin),
                "reason": reason } });
            self.say::<Member>(self.admin, who.id, &[suspended]).await;
        }
        self.say::<Session>(
            who,
            session,
            &[json!({ "SessionIssued": { "session_id": session,
            "principal": is, "issued_at": "2026-01-01T00:00:00Z",
            "expires_at": "2030-01-01T00:00:00Z",
            "device_info": personal(who, "network", &format!("{whose}-device")),
            "ip_address": personal(who, "network", "192.0.2.77"), "era": 0 } })],
        )
        .await;
        self.say::<PrincipalSessions>(
            who,
            who,
            &[json!({ "PrincipalSessionsChanged": {
            "principal": is, "active": [{ "session_id": session,
            "expires_at": "2030-01-01T00:00:00Z" }] } })],
        )
        .await;
    }

    async fn content(&self) {
        let (me, other, admin) = (self.me, self.other, self.admin);
        let category = id();
        self.say::<Category>(
            admin,
            category,
            &[json!({ "CategoryCreated": {
            "category_id": category, "name": "Science", "description": null } })],
        )
        .await;
        let mut communities = Vec::new();
        for (owner, name) in [(me, "mine-community"), (other, "another-community")] {
            let community = id();
            communities.push(community);
            self.say::<Community>(
                owner,
                community,
                &[json!({ "CommunityCreated": {
                "community_id": community, "owner": owner.id, "category_id": category,
                "name": name, "description": null, "logo_uri": null, "banner_uri": null } })],
            )
            .await;
            for who in [me, other] {
                let stream = format!("{community}:{}", who.id);
                self.say::<Membership>(
                    who,
                    stream,
                    &[json!({ "CommunityJoined": { "id": id(),
                    "community_id": community, "member_id": who.id } })],
                )
                .await;
            }
        }
        let [mine, theirs] = [communities[0], communities[1]];
        self.say::<CommunityRules>(
            me,
            mine,
            &[json!({ "CommunityRulesSet": {
            "community_id": mine, "rules": [{ "id": id(), "rule_text": "mine-rule", "created_at": "2026-01-01T00:00:00Z" }],
            "set_by": actor(me) } })],
        )
        .await;
        let reason = personal(me, "content", "mine-community-reason");
        self.say::<Community>(
            admin,
            mine,
            &[json!({ "CommunityModerated": { "action": "edit",
            "moderator": actor(admin), "reason": reason, "owner": me.id } })],
        )
        .await;
        let stream = format!("{theirs}:{}", me.id);
        self.say::<Membership>(
            me,
            stream,
            &[json!({ "CommunityLeft": { "id": id(),
            "community_id": theirs, "member_id": me.id } })],
        )
        .await;
        self.say::<RecentCommunities>(
            me,
            me.id,
            &[json!({ "CommunityVisited": {
            "member_id": me.id, "community_id": mine, "recent": [{ "id": id(),
            "community_id": mine, "last_activity_at": "2026-01-02T00:00:00Z" }] } })],
        )
        .await;
        for (who, whose) in [(me, "mine"), (other, "theirs")] {
            self.writings(who, whose, mine).await;
        }
    }

    /// A post, edited, removed by an admin, appealed; a comment on it; both voted on by both.
    async fn writings(&self, who: Actor, whose: &str, community: Uuid) {
        let (post, comment, moderation) = (id(), id(), id());
        let says = |text: &str| personal(who, "content", &format!("{whose}-{text}"));
        let name = personal(who, "identity", &format!("{whose}-name-then"));
        let (admin, is) = (self.admin, actor(who));
        self.say::<Post>(
            who,
            post,
            &[
                json!({ "PostCreated": { "post_id": post, "community_id": community, "author": is,
                "title": says("title"), "body": says("former body"),
                "author_display_name": name } }),
                json!({ "PostEdited": { "editor": is, "title": says("title"),
                "body": says("=body now") } }),
            ],
        )
        .await;
        self.say::<Post>(
            admin,
            post,
            &[
                json!({ "PostDeleted": { "deleted_by": actor(admin) } }),
                json!({ "PostModerated": { "action": "delete", "moderator": actor(admin),
                "reason": says("removal-reason"), "community_id": community, "author": is } }),
            ],
        )
        .await;
        self.say::<ModerationAppeal>(
            who,
            moderation,
            &[json!({ "ModerationAppealLodged": {
            "against": { "moderation_id": moderation, "kind": "post", "thing_id": post,
                "community_id": community, "action": "delete", "moderator": actor(admin),
                "affected": is },
            "appellant": is, "text": says("appeal") } })],
        )
        .await;
        self.say::<ModerationAppeal>(
            admin,
            moderation,
            &[json!({ "ModerationAppealDecided": {
            "decided_by": actor(admin), "outcome": "upheld", "reason": says("decision") } })],
        )
        .await;
        self.say::<Comment>(
            who,
            comment,
            &[
                json!({ "CommentCreated": { "comment_id": comment, "post_id": post,
                "community_id": community, "parent_comment_id": null, "depth": 0, "author": is,
                "body": says("former comment"), "display_name": name } }),
                json!({ "CommentEdited": { "editor": is, "body": says("comment now") } }),
            ],
        )
        .await;
        for voter in [self.me, self.other] {
            self.say::<PostVote>(
                voter,
                format!("{post}:{voter}"),
                &[json!({ "PostVoteCast": {
                "id": id(), "post_id": post, "voter": actor(voter), "vote_state": "upvote",
                "previous": "none" } })],
            )
            .await;
            let stream = format!("{comment}:{voter}");
            self.say::<CommentVote>(
                voter,
                stream,
                &[json!({ "CommentVoteCast": { "id": id(),
                "comment_id": comment, "voter": actor(voter), "vote_state": "downvote",
                "previous": "none" } })],
            )
            .await;
        }
    }

    async fn organization(&self) {
        let (organization, report) = (id(), id());
        self.say::<Organization>(
            self.admin,
            organization,
            &[json!({ "OrganizationCreated": {
            "organization_id": organization, "name": "Stiftelsen Barnas Hus",
            "created_by": actor(self.admin) } })],
        )
        .await;
        for who in [self.me, self.other] {
            let stream = format!("{organization}-{}-{}", who.kind.as_str(), who.id);
            self.say::<OrganizationMembership>(
                self.admin,
                stream,
                &[json!({
                "OrganizationMemberAdded": { "organization_id": organization,
                "principal": actor(who), "role": "reporter", "added_by": actor(self.admin) } })],
            )
            .await;
        }
        let report = |note: Value| {
            json!({ "report_id": report,
            "organization_id": organization, "period_label": "2025-Q1",
            "period_from": "2025-01-01", "period_to": "2025-03-31", "schema_version": "1.0",
            "sections": [{ "key": "counselling", "title": "Veiledning", "measures": [
                { "key": "families", "label": "theirs-figure", "value": { "type": "number", "value": "12" },
                  "unit": null, "note": note },
                { "key": "others", "label": "theirs-figure", "value": { "type": "number", "value": "13" },
                  "unit": null, "note": personal(self.other, "content", "theirs-note") }] }] })
        };
        let mine = report(personal(self.me, "content", "mine-note"));
        let stream = mine["report_id"].as_str().unwrap().to_owned();
        self.say::<BufdirReport>(
            self.me,
            &stream,
            &[json!({ "BufdirReportCreated": {
            "report": mine, "created_by": actor(self.me) } })],
        )
        .await;
        let theirs = report(Value::Null);
        self.say::<BufdirReport>(
            self.other,
            &stream,
            &[json!({ "BufdirReportRevised": {
            "report": theirs, "revised_by": actor(self.other) } })],
        )
        .await;
    }

    /// Each gives notice of what the other wrote.
    async fn notices(&self) {
        for (who, whose, other) in [(self.me, "mine", self.other), (self.other, "theirs", self.me)]
        {
            let thing = id();
            let notice = ContentNotice::id_of(thing, who);
            let about = json!({ "kind": "post", "thing_id": thing, "community_id": id(),
                "author": actor(other) });
            let given = json!({ "ContentReported": { "notice_id": notice, "about": about,
                "notifier": actor(who), "ground": "BREAKS_TERMS",
                "explanation": personal(who, "content", &format!("{whose}-notice")) } });
            let decided = json!({ "ContentNoticeDecided": { "decided_by": actor(self.admin),
                "outcome": "NO_ACTION",
                "reason": personal(who, "content", &format!("{whose}-notice-reason")) } });
            self.say::<ContentNotice>(who, notice, &[given]).await;
            self.say::<ContentNotice>(self.admin, notice, &[decided]).await;
        }
    }

    async fn consents(&self) {
        let (version, hash) = (id(), "0a".repeat(32));
        for (who, whose) in [(self.me, "mine"), (self.other, "theirs")] {
            let purpose = ConsentTerm::search_analytics();
            let stream = Consent::stream_id(who, ConsentType::Analytics, &purpose);
            let consent = json!({
                "consent_id": id(), "principal": actor(who), "consent_type": "ANALYTICS",
                "purpose_description": personal(who, "evidence", &format!("{whose}-purpose")),
                "consent_method": "EXPLICIT_OPT_IN", "legal_basis": "CONSENT",
                "data_categories": ["searches"], "processing_purposes": [purpose],
                "third_party_sharing": false, "status": "WITHDRAWN", "consent_version": "v1",
                "user_agent": personal(who, "network", &format!("{whose}-agent")),
                "evidence_data":
                    personal(who, "evidence", &format!(r#"{{"form":"{whose}-form"}}"#)),
                "withdrawal_reason":
                    personal(who, "evidence", &format!("{whose}-withdrawal-reason")),
                "policy_version_id": version, "policy_hash": hash,
                "granted_at": "2026-01-01T00:00:00Z", "withdrawn_at": "2026-01-02T00:00:00Z",
                "denied_by_signal": false, "is_imported": false,
                "created_at": "2026-01-01T00:00:00Z" });
            let withdrawn = json!({ "ConsentWithdrawn": { "consent": consent } });
            self.say::<Consent>(who, stream, &[withdrawn]).await;
            let accepted = json!({ "PolicyAccepted": { "principal": actor(who),
                "version_id": version, "version_number": "v1", "content_hash": hash,
                "accepted_at": "2026-01-01T00:00:00Z" } });
            self.say::<PolicyAcceptance>(who, PolicyAcceptance::stream_id(who), &[accepted]).await;
            let limit = json!({ "limit_id": id(), "principal": actor(who),
                "limit_kind": "RESTRICTION", "ground": "ACCURACY_CONTESTED",
                "reason": personal(who, "evidence", &format!("{whose}-limit-reason")),
                "since": "2026-01-01T00:00:00Z", "ended_at": "2026-01-02T00:00:00Z" });
            let lifted = json!({ "RestrictionLifted": { "limit": limit,
                "lifted_by": actor(self.admin),
                "lifting_reason": personal(who, "evidence", &format!("{whose}-lifting-reason")) } });
            let stream = ProcessingLimit::restriction_stream_id(who);
            self.say::<ProcessingLimit>(who, stream, &[lifted]).await;
        }
    }

    /// One about each, of which the person is told no more than that it was.
    async fn incidents(&self) {
        for (who, whose, address) in
            [(self.me, "mine", "192.0.2.80"), (self.other, "theirs", "203.0.113.99")]
        {
            let (incident, at) = (id(), "2026-01-02T00:00:00Z");
            let found = |text: &str| {
                json!({ "$personal": { "subject": incident, "category": "evidence",
                    "value": format!("{whose}-{text}") } })
            };
            let detected = json!({ "IncidentDetected": { "incident_id": incident,
                "incident_type": "BRUTE_FORCE", "severity": "HIGH",
                "source_ip": personal(who, "network", address), "target_endpoint": found("aim"),
                "user": actor(who), "request_count": 40, "detection_method": "MANUAL",
                "first_detected_at": at, "last_activity_at": at,
                "reported_by": actor(self.admin) } });
            let assigned = json!({ "IncidentAssigned": { "assigned_to": actor(self.admin),
                "assigned_by": actor(self.admin) } });
            self.say::<Incident>(self.admin, incident, &[detected, assigned]).await;
        }
    }

    async fn export(&self) {
        let (job, is) = (self.job_id, actor(self.me));
        let content = json!({ "kind": "subject_data", "subject": is,
            "request_type": "PARTIAL_EXPORT", "data_categories": ["posts"], "format": "JSON",
            "delivery_method": "EMAIL",
            "delivery_address": personal(self.me, "identity", "mine-second@example.org"),
            "verification_token_sha256": personal(self.me, "credential", &"0f".repeat(32)) });
        let at = "2026-01-03T00:00:00Z";
        self.say::<ExportJob>(
            self.me,
            job,
            &[json!({ "ExportRequested": { "job_id": job,
            "content": content, "requested_by": is, "triggered_at": at, "due_at": at } })],
        )
        .await;
        self.say::<SubjectExports>(
            self.me,
            self.me,
            &[json!({ "SubjectExportsChanged": {
            "subject": is, "open": job, "last_at": at } })],
        )
        .await;
        let reason = personal(self.me, "content", "mine-delay");
        self.say::<ExportJob>(
            self.admin,
            job,
            &[json!({ "ExportDeadlineExtended": {
            "due_at": at, "extended_by": actor(self.admin), "reason": reason } })],
        )
        .await;
        let file = json!({ "file_name": "data.zip", "file_size_bytes": 7,
            "file_path": format!("exports/subject_data/{job}/data.zip"),
            "checksum_sha256": "1e".repeat(32) });
        self.say::<ExportJob>(
            Actor::SYSTEM,
            job,
            &[
                json!({ "ExportStarted": { "processing_started_at": at } }),
                json!({ "ExportCompleted": { "file": file, "metadata": {}, "completed_at": at,
                "expires_at": "2030-01-01T00:00:00Z" } }),
            ],
        )
        .await;
        self.say::<ExportDownloads>(
            self.me,
            job,
            &[json!({ "ExportDownloaded": { "job_id": job,
            "download_count": 1, "downloaded_at": at, "downloaded_by": is } })],
        )
        .await;
    }

    /// One of each, refused.
    async fn deletions(&self) {
        for (who, whose) in [(self.me, "mine"), (self.other, "theirs")] {
            let (request, at, is) = (id(), "2026-01-04T00:00:00Z", actor(who));
            let says = |text: &str| personal(who, "evidence", &format!("{whose}-{text}"));
            let requested = json!({ "deletion_id": request, "subject": is, "requested_by": is,
                "deletion_scope": "COMPLETE_DELETION", "legal_ground": "OBJECTION",
                "requested_at": at, "due_at": at, "verification_required": false });
            let extended = json!({ "due_at": at, "extended_by": actor(self.admin),
                "extended_at": at, "reason": says("put-off") });
            let rejected = json!({ "reviewer_id": actor(self.admin), "reviewed_at": at,
                "reason": says("refusal") });
            let events = [
                json!({ "DeletionRequested": requested }),
                json!({ "DeletionDeadlineExtended": extended }),
                json!({ "DeletionRejected": rejected }),
            ];
            self.say::<DeletionRequest>(self.admin, request, &events).await;
            let closed = json!({ "SubjectErasuresChanged": { "subject": is, "is_erased": false } });
            self.say::<SubjectErasures>(self.admin, who, &[closed]).await;
        }
    }

    async fn records(&self) {
        let pool = self.log.pool().clone();
        let security = SecurityLog::start(pool, self.database.vault(), None);
        let audit = Store::new(self.log.pool().clone(), self.database.vault());
        let reads = sqlx::PgPool::connect(&self.database.url_as("agora_reader")).await.unwrap();
        let settings = searches::Settings { default_consent: true, retention_days: 90 };
        let searches = SearchLog::start(reads, self.database.vault(), None, settings);
        for (who, whose) in [(self.me, "mine"), (self.other, "theirs")] {
            searches.note(Search {
                scope: Scope::Posts,
                query: format!("{whose}-query"),
                actor: Some(who),
                client_address: Some("192.0.2.78".parse().unwrap()),
                user_agent: Some(format!("{whose}-agent")),
            });
            let record = SecurityRecord {
                kind: "refusal",
                outcome: Outcome::Blocked,
                actor: Some(who),
                action: format!("{whose}-action"),
                rule: Some("ROL-01"),
                status: 403,
                client_address: Some("192.0.2.79".to_owned()),
            };
            security.write(record).await;
            let access = || {
                let mut access =
                    Entry::at(Utc::now(), AuditEventType::ApiAccess, AuditResult::Success);
                access.person.user = Some(who.id);
                let agent = format!("{whose}-access").into();
                access.person.said = Said { user_agent: Some(agent), ..Said::default() }.into();
                access
            };
            // The later ones refer to the first.
            audit.write(&[access(), access()]).await.unwrap();
            audit.write(&[access()]).await.unwrap();
        }
        searches.flush().await;
    }

    pub async fn project(&self) -> Position {
        project(&self.database).await
    }
}

/// Applies everything in the log to the read tables.
pub async fn project(database: &TestDatabase) -> Position {
    let options = checkpoints::live(database.connect_as("agora_projector"));
    let opener = Opener::new(database.vault());
    let mut applier = Applier::open(options.connect().await.unwrap(), opener).await.unwrap();
    let head = applier.head().await.unwrap();
    applier.check_history(head).await.unwrap();
    loop {
        let events = applier.read_log(2_000).await.unwrap();
        if events.is_empty() {
            applier.flush().await.unwrap();
            return applier.position();
        }
        applier.apply(&events, Origin::Log).await.unwrap();
    }
}
