//! Somebody asks for its own data, and gets it.

use std::{
    io::{Cursor, Read},
    time::Duration,
};

use agora_domain::{
    Actor, Personal, PersonalCategory,
    exports::export_job::{ExportJob, ExportJobEvent, ExportStatus},
    identity::member::{Member, MemberEvent},
    ids::{ExportJobId, MemberId},
};
use agora_event_store::testing::eventually;
use serde_json::{Value, json};

use super::world::{ADMIN, World, hasty};
use crate::{smtp_server::SmtpServer, subject_story::project, world::PASSWORD};

const OLA: &str = "ola@example.org";

/// Ola, and the export that was asked for.
struct Asked {
    me: Actor,
    job_id: ExportJobId,
    reply: Value,
}

async fn ask(world: &World, delivery_method: &str) -> Asked {
    let registered = world.register(OLA).await;
    let member: MemberId = registered["aggregate_id"].as_str().unwrap().parse().unwrap();
    let token = world.log_in(OLA, PASSWORD).await.unwrap();
    let body = json!({ "kind": "subject_data", "format": "PDF", "request_type": "FULL_EXPORT",
        "delivery_method": delivery_method });
    let reply = world.accepted(world.send(Some(&token), "request-export", body).await);
    let job_id = reply["aggregate_id"].as_str().unwrap().parse().unwrap();
    Asked { me: Actor::member(member), job_id, reply }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dxr_08_dxr_15_the_copy_is_made_for_who_is_suspended_and_the_mail_holds_a_link_alone() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    let Asked { me, job_id, reply } = ask(&world, "EMAIL").await;
    assert!(reply["result"].get("verification_token").is_none(), "it comes by mail");
    let suspended = MemberEvent::MemberSuspended { suspended_by: ADMIN, reason: None };
    world.append::<Member>(me.id, vec![suspended]).await;
    project(&world.database).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    let job = world.until_ended(job_id).await;
    assert_eq!(job.status, ExportStatus::Completed);
    let file = job.file.unwrap();
    assert!(file.file_name.as_str().ends_with(".zip"));
    let bytes = std::fs::read(world.folder().join(file.file_path.as_str())).unwrap();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut json = String::new();
    archive.by_name("subject-data.json").unwrap().read_to_string(&mut json).unwrap();
    assert!(json.contains(OLA) && json.contains("MemberSuspended"));
    assert!(archive.by_name("subject-data.pdf").is_ok());

    let running = world.run(Some(&server));
    let mail = server.wait_for(OLA, 1).await.remove(0);
    let token = world.app.export_token(job_id, me);
    assert!(mail.text.contains(token.as_str()) && mail.text.contains(&job_id.to_string()));
    for data in ["{", "MemberRegistered", &me.id.to_string()] {
        assert!(!mail.text.contains(data), "{data}");
    }
    world.settled().await;
    assert_eq!(server.mails_to(OLA).len(), 1);
    running.stop().await;
    making.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dxr_08_who_fetches_it_itself_gets_the_token_at_once_and_no_mail() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    let Asked { me, job_id, reply } = ask(&world, "DOWNLOAD_LINK").await;
    let token = world.app.export_token(job_id, me);
    assert_eq!(reply["result"]["verification_token"], token.as_str());
    project(&world.database).await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    world.until_ended(job_id).await;
    let running = world.run(Some(&server));
    world.settled().await;
    assert!(server.mails_to(OLA).is_empty());
    running.stop().await;
    making.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dxr_10_who_waits_longer_is_told_why() {
    let (world, server) = (World::new().await, SmtpServer::start().await);
    let Asked { me, job_id, .. } = ask(&world, "SECURE_PORTAL").await;
    let reason = "The archive is being moved.".parse().unwrap();
    let reason = Personal::new(me.subject(), PersonalCategory::Content, reason);
    let due_at = "2027-02-26T00:00:00Z".parse().unwrap();
    let extended = ExportJobEvent::ExportDeadlineExtended { due_at, extended_by: ADMIN, reason };
    world.append::<ExportJob>(job_id, vec![extended]).await;
    let running = world.run(Some(&server));
    let mail = server.wait_for(OLA, 1).await.remove(0);
    assert!(mail.text.contains("The archive is being moved.") && mail.text.contains("2027-02-26"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dxr_13_a_copy_waits_until_the_tables_show_what_there_was_when_it_was_asked_for() {
    let world = World::new().await;
    let Asked { job_id, .. } = ask(&world, "SECURE_PORTAL").await;
    let making = world.make_exports(1, &world.objects(), &hasty()).await;
    eventually("it has begun", || async {
        world.job(job_id).await.status == ExportStatus::Processing
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(world.job(job_id).await.status, ExportStatus::Processing);
    project(&world.database).await;
    assert_eq!(world.until_ended(job_id).await.status, ExportStatus::Completed);
    making.stop().await;
}
