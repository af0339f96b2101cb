//! Organizations, who is in them, and sessions that act for one (K3, BUF-15).

use agora_domain::{
    Actor,
    identity::{
        member::{Member, MemberCommand, SuspendMember},
        values::AdminScope,
    },
};
use serde_json::json;

use crate::common::{Call, PASSWORD, Person, World, report, unique, unknown_id};

impl World {
    async fn logs_in_within(
        &self,
        person: &Person,
        organization_id: &str,
    ) -> crate::common::Answer {
        let body = json!({
            "email": person.email, "password": PASSWORD, "organization_id": organization_id,
        });
        self.guest("log-in", body).await
    }
}

#[tokio::test]
async fn rel_09_an_organization_has_a_name_of_its_own() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let name = unique("Barnas Hus");
    let create = |name: &str| world.send(&admin, "create-organization", json!({ "name": name }));
    assert_eq!(create(&name).await.events(), ["OrganizationCreated"]);
    create(&name).await.refused(422, "REL-09");
    create(&format!("  {}", name.to_uppercase())).await.refused(422, "REL-09");
    create(&unique("Barnas Hus")).await.accepted();
    for wrong in ["", "  ", "a\nb", &"a".repeat(201)] {
        let answer = create(wrong).await;
        answer.problem(422);
        assert_eq!(answer.wrong_fields(), [("/name", Some("REL-09"))]);
    }
}

#[tokio::test]
async fn rol_01_only_admins_in_person_make_organizations_and_say_who_is_in_them() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let organization = world.organization(&admin).await;
    let reporter = world.org_user(&admin, &organization, "reporter").await;
    let auditor = world.admin(&[AdminScope::Auditor]).await;
    let member = world.member().await;
    for person in [&reporter, &auditor, &member] {
        let body = json!({ "name": unique("Other") });
        world.send(person, "create-organization", body).await.refused(403, "ROL-01");
        let placed = world.place(person, &organization, member.actor, "reporter").await;
        placed.refused(403, "ROL-01");
        let displaced = world.displace(person, &organization, reporter.actor).await;
        displaced.refused(403, "ROL-01");
    }
    let body = json!({ "display_name": "imports", "scopes": ["global"] });
    let program = world.send(&admin, "create-service-account", body).await;
    let call = Call::new("create-organization").token(&program.result("key"));
    let made = world.request(call.body(json!({ "name": unique("Other") }))).await;
    made.refused(403, "ROL-01");
    // A program has no session that could be of an organization.
    let program = Actor { id: program.id().parse().unwrap(), ..admin.actor };
    world.place(&admin, &organization, program, "reader").await.refused(404, "REL-10");
}

#[tokio::test]
async fn rel_10_only_who_is_there_is_added_to_what_is_there() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let (organization, member) = (world.organization(&admin).await, world.member().await);
    let nowhere = world.place(&admin, &unknown_id(), member.actor, "reader").await;
    nowhere.refused(404, "REL-10");
    world.displace(&admin, &unknown_id(), member.actor).await.refused(404, "REL-10");
    let nobody = Actor { id: unknown_id().parse().unwrap(), ..member.actor };
    world.place(&admin, &organization, nobody, "reader").await.refused(404, "REL-10");
    let as_admin = Actor { kind: admin.actor.kind, ..member.actor };
    world.place(&admin, &organization, as_admin, "reader").await.refused(404, "REL-10");
    let wrong = world.place(&admin, &organization, member.actor, "owner").await;
    assert_eq!(wrong.wrong_fields(), [("/role", Some("BUF-15"))]);
    let missing = world.send(&admin, "add-organization-member", json!({})).await;
    missing.problem(400);
    let missing: Vec<_> = missing.wrong_fields().iter().map(|(place, _)| *place).collect();
    assert_eq!(missing, ["/organization_id", "/principal", "/role"]);
}

#[tokio::test]
async fn buf_15_adding_changes_the_role_of_who_is_in_and_removing_twice_is_nothing() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let (organization, member) = (world.organization(&admin).await, world.member().await);
    let place = async |role| {
        let answer = world.place(&admin, &organization, member.actor, role).await;
        answer.events().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(place("reader").await, ["OrganizationMemberAdded"]);
    assert!(place("reader").await.is_empty());
    assert_eq!(place("reporter").await, ["OrganizationMemberRoleChanged"]);
    let removed = world.displace(&admin, &organization, member.actor).await;
    assert_eq!(removed.events(), ["OrganizationMemberRemoved"]);
    let removed = world.displace(&admin, &organization, member.actor).await;
    assert!(removed.events().is_empty());
    assert_eq!(place("reporter").await, ["OrganizationMemberAdded"]);
}

#[tokio::test]
async fn buf_15_a_login_chooses_an_organization_that_one_is_in() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let organization = world.organization(&admin).await;
    let member = world.member().await;
    world.place(&admin, &organization, member.actor, "reporter").await.accepted();
    let answer = world.logs_in_within(&member, &organization).await;
    assert_eq!(answer.result("organization_id"), organization);
    let payload = world.last_payload("session", &answer.id()).await;
    assert_eq!(payload["SessionIssued"]["organization_id"], json!(organization));
    let reporter = member.with_token(&answer.result("token"));
    world.send(&reporter, "create-report", report("2025-Q1")).await.accepted();
    // Another session of the same member is of none.
    let plain = world.log_in(&member).await;
    world.send(&plain, "create-report", report("2025-Q2")).await.refused(403, "ROL-01");
    // An admin can be in one, too.
    world.place(&admin, &organization, admin.actor, "reporter").await.accepted();
    let answer = world.logs_in_within(&admin, &organization).await;
    let admin = admin.with_token(&answer.result("token"));
    world.send(&admin, "create-report", report("2025-Q3")).await.accepted();
}

#[tokio::test]
async fn buf_15_a_login_for_an_organization_that_one_is_not_in_gives_no_session() {
    let world = World::new().await;
    let admin = world.admin(&[]).await;
    let foreign = world.organization(&admin).await;
    let left = world.organization(&admin).await;
    let member = world.member().await;
    world.place(&admin, &left, member.actor, "reporter").await.accepted();
    world.displace(&admin, &left, member.actor).await.accepted();
    let head = world.head().await;
    let mut details = Vec::new();
    for organization in [&foreign, &left, &unknown_id()] {
        let answer = world.logs_in_within(&member, organization).await;
        answer.refused(404, "BUF-15");
        details.push(answer.body["detail"].clone());
    }
    assert!(details.iter().all(|detail| *detail == details[0]), "whether there is one is not told");
    assert_eq!(world.head().await, head, "there is no session");
    // The password comes first: without it, nothing is told of organizations.
    let body = json!({ "email": member.email, "password": "not it", "organization_id": left });
    world.guest("log-in", body).await.refused(401, "CRD-09");
    let body = json!({ "email": member.email, "password": PASSWORD, "organization_id": "x" });
    let wrong = world.guest("log-in", body).await;
    assert_eq!(wrong.wrong_fields(), [("/organization_id", None)]);
    // It was no failed login: the next one holds.
    world.log_in(&member).await;
}

#[tokio::test]
async fn buf_15_a_removal_or_another_role_counts_at_the_next_request_on_every_instance() {
    let world = World::new().await;
    let twin = world.twin().await;
    let admin = world.admin(&[]).await;
    let organization = world.organization(&admin).await;
    let reporter = world.org_user(&admin, &organization, "reporter").await;
    let create = async |world: &World, quarter: &str| {
        world.send(&reporter, "create-report", report(quarter)).await
    };
    // Both instances have the place in their caches.
    create(&world, "2025-Q1").await.accepted();
    create(&twin, "2025-Q2").await.accepted();
    world.place(&admin, &organization, reporter.actor, "reader").await.accepted();
    create(&world, "2025-Q3").await.refused(403, "ROL-01");
    create(&twin, "2025-Q3").await.refused(403, "ROL-01");
    world.place(&admin, &organization, reporter.actor, "reporter").await.accepted();
    create(&twin, "2025-Q3").await.accepted();
    twin.displace(&admin, &organization, reporter.actor).await.accepted();
    create(&world, "2025-Q4").await.refused(403, "ROL-01");
    create(&twin, "2025-Q4").await.refused(403, "ROL-01");
    // The session itself goes on, without an organization.
    let name = json!({ "display_name": "Kari" });
    world.send(&reporter, "change-display-name", name).await.accepted();
    // Who is added again goes on where it was.
    world.place(&admin, &organization, reporter.actor, "reporter").await.accepted();
    create(&twin, "2025-Q4").await.accepted();
}

#[tokio::test]
async fn mem_05_a_suspended_member_does_not_report() {
    let world = World::new().await;
    let (_, reporter) = world.reporter().await;
    let suspend = SuspendMember { suspended_by: Actor::SYSTEM, reason: None };
    world.decide::<Member>(&reporter.id(), MemberCommand::Suspend(suspend)).await;
    world.send(&reporter, "create-report", report("2025-Q1")).await.refused(403, "MEM-05");
}

#[tokio::test]
async fn k30_what_belongs_to_communities_knows_no_organization() {
    let world = World::new().await;
    let (organization, reporter) = world.reporter().await;
    let category = world.settled().await.category_id;
    let community = world.community(&reporter, &category).await;
    let payload = world.last_payload("community", &community).await;
    assert!(payload["CommunityCreated"].is_object(), "{payload}");
    assert!(!payload.to_string().contains(&organization), "{payload}");
}
