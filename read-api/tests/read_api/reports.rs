//! Organizations, who is in them, and their reports: seen by whom they are of, and by nobody else.

use agora_domain::{
    Actor, Personal, PersonalCategory,
    exports::{
        bufdir_report::{BufdirReport, BufdirReportEvent, ReportDocument},
        organization::{Organization, OrganizationEvent},
        organization_membership::{
            OrganizationMembership, OrganizationMembershipEvent, OrganizationRole,
        },
        report_content::{Measure, MeasureValue, Section},
    },
    identity::{
        member::{Member, MemberEvent},
        values::AdminScope,
    },
    ids::{BufdirReportId, OrganizationId},
};
use agora_service::clock;
use serde_json::{Value, json};

use crate::world::{Reply, User, World};

const NOTE: &str = "Among them the Hansen family.";

impl World {
    pub async fn organization(&self, name: &str) -> OrganizationId {
        let organization_id = OrganizationId(clock::new_id());
        let created = OrganizationEvent::OrganizationCreated {
            organization_id,
            name: name.parse().unwrap(),
            created_by: Actor::SYSTEM,
        };
        self.append::<Organization>(Actor::SYSTEM, organization_id, vec![created]).await;
        organization_id
    }

    pub async fn place(&self, id: OrganizationId, principal: Actor, role: OrganizationRole) {
        let added = OrganizationMembershipEvent::OrganizationMemberAdded {
            organization_id: id,
            principal,
            role,
            added_by: Actor::SYSTEM,
        };
        let stream = OrganizationMembership::stream_id(id, principal);
        self.append::<OrganizationMembership>(Actor::SYSTEM, stream, vec![added]).await;
    }

    async fn displace(&self, id: OrganizationId, principal: Actor) {
        let removed = OrganizationMembershipEvent::OrganizationMemberRemoved {
            organization_id: id,
            principal,
            removed_by: Actor::SYSTEM,
        };
        let stream = OrganizationMembership::stream_id(id, principal);
        self.append::<OrganizationMembership>(Actor::SYSTEM, stream, vec![removed]).await;
    }

    /// A new member with a session of an organization that it is in.
    pub async fn org_user(&self, id: OrganizationId, role: OrganizationRole) -> User {
        let member = self.member(None).await;
        self.place(id, member.actor, role).await;
        self.log_in_within(member.actor, id).await
    }

    pub async fn report(&self, user: &User, id: OrganizationId, label: &str) -> ReportDocument {
        let note =
            Personal::new(user.actor.subject(), PersonalCategory::Content, NOTE.parse().unwrap());
        let measure = |key: &str, value: &str, note| Measure {
            key: key.parse().unwrap(),
            label: "Families in counselling".parse().unwrap(),
            value: MeasureValue::parse(value).unwrap(),
            unit: Some("families".parse().unwrap()),
            note,
        };
        let section = Section {
            key: "families".parse().unwrap(),
            title: "Families".parse().unwrap(),
            measures: vec![measure("waiting", "yes", None), measure("count", "12.50", Some(note))],
        };
        let report = ReportDocument {
            report_id: BufdirReportId(clock::new_id()),
            organization_id: id,
            period_label: label.parse().unwrap(),
            period_from: "2025-01-01".parse().unwrap(),
            period_to: "2025-01-31".parse().unwrap(),
            schema_version: "1.0".parse().unwrap(),
            sections: vec![section],
        };
        let created = BufdirReportEvent::BufdirReportCreated {
            report: report.clone(),
            created_by: user.actor,
        };
        self.append::<BufdirReport>(user.actor, report.report_id, vec![created]).await;
        report
    }

    async fn submit(&self, user: &User, report: &ReportDocument) {
        let submitted = BufdirReportEvent::BufdirReportSubmitted {
            report: report.clone(),
            submitted_by: user.actor,
        };
        self.append::<BufdirReport>(user.actor, report.report_id, vec![submitted]).await;
    }
}

fn labels(reply: &Reply) -> Vec<String> {
    let items = reply.ok()["items"].as_array().unwrap().clone();
    items.iter().map(|item| item["period_label"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn buf_15_a_session_shows_its_organization_while_its_holder_is_in_it() {
    let world = World::new().await;
    let organization = world.organization("Barnas Hus").await;
    let reporter = world.org_user(organization, OrganizationRole::Reporter).await;
    let plain = world.log_in(reporter.actor).await;
    world.project().await;
    let me = world.get_as(&reporter, "/v1/me").await.ok();
    assert_eq!(me["organization"], json!({ "id": organization, "role": "reporter" }));
    assert_eq!(world.get_as(&plain, "/v1/me").await.ok()["organization"], Value::Null);
    world.get_as(&reporter, "/v1/reports").await.ok();
    assert_eq!(world.get_as(&plain, "/v1/reports").await.problem(403)["rule"], "ROL-01");
    // The log is asked, not the read tables: they need not know yet.
    world.displace(organization, reporter.actor).await;
    assert_eq!(world.get_as(&reporter, "/v1/me").await.ok()["organization"], Value::Null);
    assert_eq!(world.get_as(&reporter, "/v1/reports").await.problem(403)["rule"], "ROL-01");
    world.place(organization, reporter.actor, OrganizationRole::Reader).await;
    let me = world.get_as(&reporter, "/v1/me").await.ok();
    assert_eq!(me["organization"]["role"], "reader");
    // Whoever is suspended keeps reading, but nothing of the organization's (MEM-05).
    let suspended = MemberEvent::MemberSuspended { suspended_by: reporter.actor, reason: None };
    world.append::<Member>(reporter.actor, reporter.id(), vec![suspended]).await;
    assert_eq!(world.get_as(&reporter, "/v1/me").await.ok()["organization"], Value::Null);
    world.get_as(&reporter, "/v1/reports").await.problem(403);
    let reinstated = MemberEvent::MemberReinstated { reinstated_by: reporter.actor };
    world.append::<Member>(reporter.actor, reporter.id(), vec![reinstated]).await;
    world.get_as(&reporter, "/v1/reports").await.ok();
    // An organization that one was never in gives nothing, whatever the session says.
    let other = world.organization("Another").await;
    let forged = world.log_in_within(plain.actor, other).await;
    world.get_as(&forged, "/v1/reports").await.problem(403);
}

#[tokio::test]
async fn buf_15_admins_see_all_organizations_and_everybody_those_one_is_in() {
    let world = World::new().await;
    let (first, second) =
        (world.organization("Barnas Hus").await, world.organization("Another").await);
    let reporter = world.org_user(first, OrganizationRole::Reporter).await;
    let reader = world.org_user(first, OrganizationRole::Reader).await;
    let admin = world.admin(&[]).await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    world.project().await;
    let all = world.get_as(&admin, "/v1/organizations").await.ok();
    let names = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().unwrap();
        items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&all), ["Another", "Barnas Hus"]);
    assert_eq!(all["items"][0]["role"], Value::Null);
    let part = world.get_as(&admin, "/v1/organizations?limit=1").await.ok();
    let next = format!("/v1/organizations?limit=1&cursor={}", part["next"].as_str().unwrap());
    assert_eq!(names(&world.get_as(&admin, &next).await.ok()), ["Barnas Hus"]);
    let own = world.get_as(&reporter, "/v1/organizations").await.ok();
    assert_eq!(
        (names(&own), &own["items"][0]["role"]),
        (vec!["Barnas Hus".to_owned()], &json!("reporter"))
    );
    assert!(names(&world.get_as(&auditor, "/v1/organizations").await.ok()).is_empty());
    // The admin's cursor is good for the admin's list only.
    world.get_as(&reporter, &next).await.problem(400);

    let path = |id: OrganizationId| format!("/v1/organizations/{id}/members");
    for who in [&admin, &reporter, &reader] {
        let members = world.get_as(who, &path(first)).await.ok();
        let roles: Vec<_> =
            members["items"].as_array().unwrap().iter().map(|item| &item["role"]).collect();
        assert_eq!(roles, [&json!("reader"), &json!("reporter")]);
        assert_eq!(members["items"][1]["principal_id"], json!(reporter.id()));
    }
    assert_eq!(world.get_as(&admin, &path(second)).await.ok()["items"], json!([]));
    let nowhere = OrganizationId(clock::new_id());
    let foreign = world.get_as(&reporter, &path(second)).await.problem(404);
    assert_eq!(foreign, world.get_as(&reporter, &path(nowhere)).await.problem(404));
    world.get_as(&admin, &path(nowhere)).await.problem(404);
    world.get_as(&auditor, &path(first)).await.problem(403);
}

#[tokio::test]
async fn buf_15_buf_16_reports_are_seen_in_their_own_organization_only() {
    let world = World::new().await;
    let (ours, theirs) =
        (world.organization("Barnas Hus").await, world.organization("Another").await);
    let reporter = world.org_user(ours, OrganizationRole::Reporter).await;
    let reader = world.org_user(ours, OrganizationRole::Reader).await;
    let foreign = world.org_user(theirs, OrganizationRole::Reporter).await;
    let report = world.report(&reporter, ours, "2025-01").await;
    world.report(&foreign, theirs, "2025-Q1").await;
    let global = world.admin(&[AdminScope::Global]).await;
    world.place(theirs, global.actor, OrganizationRole::Reader).await;
    let global_of_theirs = world.log_in_within(global.actor, theirs).await;
    world.project().await;
    let path = format!("/v1/reports/{}", report.report_id);
    for own in [&reporter, &reader] {
        assert_eq!(labels(&world.get_as(own, "/v1/reports").await), ["2025-01"]);
        world.get_as(own, &path).await.ok();
    }
    let nothing = format!("/v1/reports/{}", clock::new_id());
    for other in [&foreign, &global_of_theirs] {
        assert_eq!(labels(&world.get_as(other, "/v1/reports").await), ["2025-Q1"]);
        let told = world.get_as(other, &path).await.problem(404);
        assert_eq!(told, world.get_as(other, &nothing).await.problem(404));
    }
    // A filter does not widen what is seen, and there is none by organization.
    assert!(labels(&world.get_as(&foreign, "/v1/reports?period=2025-01").await).is_empty());
    let widened = format!("/v1/reports?organization_id={ours}");
    world.get_as(&foreign, &widened).await.problem(400);
    // Without an organization there is nothing, for a global admin neither.
    world.get_as(&global, "/v1/reports").await.problem(403);
    world.get_as(&global, &path).await.problem(403);
    world.get(&path).await.problem(401);
}

#[tokio::test]
async fn rel_09_a_report_is_shown_as_it_stands_with_its_notes() {
    let world = World::new().await;
    let organization = world.organization("Barnas Hus").await;
    let reporter = world.org_user(organization, OrganizationRole::Reporter).await;
    let report = world.report(&reporter, organization, "2025-01").await;
    world.project().await;
    let path = format!("/v1/reports/{}", report.report_id);
    let reply = world.get_as(&reporter, &path).await;
    let shown = reply.ok();
    for (field, value) in [
        ("id", json!(report.report_id)),
        ("organization_id", json!(organization)),
        ("period_label", json!("2025-01")),
        ("period_from", json!("2025-01-01")),
        ("period_to", json!("2025-01-31")),
        ("schema_version", json!("1.0")),
        ("status", json!("draft")),
        ("measure_count", json!(2)),
        ("created_by_user_id", json!(reporter.id())),
        ("submitted_at", Value::Null),
        ("sequence", json!(1)),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let measures = &shown["sections"][0]["measures"];
    let expected = json!({ "key": "waiting", "label": "Families in counselling",
        "value_type": "text", "value": "yes", "unit": "families", "note": null });
    assert_eq!(measures[0], expected);
    let expected = json!({ "key": "count", "label": "Families in counselling",
        "value_type": "number", "value": "12.50", "unit": "families", "note": NOTE });
    assert_eq!(measures[1], expected);
    // An entity tag, until it changes.
    let tag = reply.header("etag").to_owned();
    let get = || {
        axum::http::Request::get(&path)
            .header("authorization", format!("Bearer {}", reporter.token))
    };
    let again = world.send(get().header("if-none-match", &tag)).await;
    assert_eq!(again.status, 304);
    world.submit(&reporter, &report).await;
    let position = world.project().await;
    let fresh = world.get_as(&reporter, &format!("{path}?min_position={position}")).await;
    assert_ne!(fresh.header("etag"), tag);
    let shown = fresh.ok();
    assert_eq!(shown["status"], "submitted");
    assert_eq!(shown["submitted_by_user_id"], json!(reporter.id()));
    // A note goes with its writer.
    world.erase(&reporter).await;
    let shown = world.another_instance().get_as(&reporter, &path).await.ok();
    assert_eq!(shown["sections"][0]["measures"][1]["note"], Value::Null);
    assert_eq!(shown["sections"][0]["measures"][1]["value"], "12.50");
}

#[tokio::test]
async fn esx_06_reports_are_listed_by_status_and_period_in_parts() {
    let world = World::new().await;
    let organization = world.organization("Barnas Hus").await;
    let reporter = world.org_user(organization, OrganizationRole::Reporter).await;
    let first = world.report(&reporter, organization, "2025-01").await;
    world.submit(&reporter, &first).await;
    world.report(&reporter, organization, "2025-01").await;
    world.report(&reporter, organization, "2025-Q1").await;
    let position = world.project().await;
    let list = async |query: &str| world.get_as(&reporter, &format!("/v1/reports{query}")).await;
    assert_eq!(labels(&list("").await), ["2025-Q1", "2025-01", "2025-01"]);
    assert_eq!(labels(&list("?status=draft").await), ["2025-Q1", "2025-01"]);
    assert_eq!(labels(&list("?status=submitted").await), ["2025-01"]);
    assert_eq!(labels(&list("?period=2025-Q1").await), ["2025-Q1"]);
    assert!(labels(&list("?period=2025-Q1&status=submitted").await).is_empty());
    let part = list("?limit=2").await.ok();
    assert!(part["items"][0].get("sections").is_none());
    let next = part["next"].as_str().unwrap();
    let rest = list(&format!("?limit=2&cursor={next}")).await;
    assert_eq!((labels(&rest), &rest.ok()["next"]), (vec!["2025-01".to_owned()], &Value::Null));
    for wrong in [
        format!("?limit=2&status=draft&cursor={next}"),
        format!("?cursor={next}x"),
        "?status=open".to_owned(),
        "?period=2025-Q7".to_owned(),
        "?limit=0".to_owned(),
    ] {
        list(&wrong).await.problem(400);
    }
    let reply = list(&format!("?min_position={position}")).await;
    assert_eq!(reply.position(), position);
    list(&format!("?min_position={}&wait_ms=1", position + 1)).await.problem(503);
    // Another organization's cursor leads nowhere here.
    let other = world.organization("Another").await;
    let foreign = world.org_user(other, OrganizationRole::Reader).await;
    world.get_as(&foreign, &format!("/v1/reports?limit=2&cursor={next}")).await.problem(400);
}
