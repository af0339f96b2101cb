//! Whose content is in no export of public data: of who restricts the processing, objects to it, or is
//! erased.

use std::collections::BTreeMap;

use agora_domain::{
    Actor, Decide, PersonalCategory,
    community::{category::Category, community::Community},
    content::{comment::Comment, post::Post},
    exports::export_values::{PlatformExportType, PlatformFormat},
    ids::MemberId,
};
use agora_event_store::Position;
use agora_process_managers::exports::withheld::Withheld;
use agora_service::clock;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, hasty};
use crate::{subject_story::project, world::PASSWORD};

const OBJECTION: &str = r#"{"consent_type":"DATA_PROCESSING","purpose":"public_exports"}"#;

/// Members who each own a community and wrote a post and a comment there, of which each text says whose it
/// is.
struct Town {
    world: World,
    category: Uuid,
}

struct Neighbour {
    actor: Actor,
    token: String,
}

impl Town {
    async fn new() -> Self {
        let (world, category) = (World::new().await, Uuid::now_v7());
        let created = json!({ "category_id": category, "name": "Science", "description": null });
        say::<Category>(&world, category, json!({ "CategoryCreated": created })).await;
        Self { world, category }
    }

    async fn neighbour(&self, name: &str) -> Neighbour {
        let address = format!("{name}@example.org");
        let registered = self.world.register(&address).await;
        let id: MemberId = registered["aggregate_id"].as_str().unwrap().parse().unwrap();
        let token = self.world.log_in(&address, PASSWORD).await.unwrap();
        let actor = Actor::member(id);
        let is = json!({ "kind": "member", "id": id });
        let says = |text: &str| {
            json!({ "$personal": { "subject": id, "category": "content",
                "value": format!("{name} says {text}") } })
        };
        let (community, post, comment) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
        let created = json!({ "community_id": community, "owner": id, "category_id": self.category,
            "name": format!("{name}-place"), "description": format!("{name} says hello"),
            "logo_uri": null, "banner_uri": null });
        say::<Community>(&self.world, community, json!({ "CommunityCreated": created })).await;
        let created = json!({ "post_id": post, "community_id": community, "author": is,
            "title": says("a title"), "body": says("a body"), "author_display_name": null });
        say::<Post>(&self.world, post, json!({ "PostCreated": created })).await;
        let created = json!({ "comment_id": comment, "post_id": post, "community_id": community,
            "parent_comment_id": null, "depth": 0, "author": is, "body": says("a comment"),
            "display_name": null });
        say::<Comment>(&self.world, comment, json!({ "CommentCreated": created })).await;
        Neighbour { actor, token }
    }

    async fn send(&self, who: &Neighbour, command: &str, body: &str) -> Position {
        let body = serde_json::from_str(body).unwrap();
        let reply = self.world.accepted(self.world.send(Some(&who.token), command, body).await);
        reply["position"].as_u64().unwrap()
    }

    /// The texts of an export by whose they are; none where they are null.
    async fn exported(&self, export_type: PlatformExportType) -> BTreeMap<String, Option<String>> {
        let job_id = self.world.ask_for_public(export_type, PlatformFormat::Json).await;
        project(&self.world.database).await;
        let making = self.world.make_exports(1, &self.world.objects(), &hasty()).await;
        let file = self.world.until_ended(job_id).await.file.expect("it is made");
        making.stop().await;
        let path = self.world.folder().join(file.file_path.as_str());
        let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let (whose, what) = match export_type {
            PlatformExportType::Communities => ("owner_id", "description"),
            PlatformExportType::Posts | PlatformExportType::Comments => ("author_id", "body"),
        };
        let rows = json["tables"][0]["rows"].as_array().unwrap();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        rows.iter().map(|row| (text(&row[whose]).unwrap(), text(&row[what]))).collect()
    }
}

async fn say<A: Decide>(world: &World, id: Uuid, event: Value)
where
    A::Event: DeserializeOwned,
{
    world.append::<A>(id, vec![serde_json::from_value(event).unwrap()]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn law_05_law_06_del_01_no_export_of_public_data_holds_what_is_restricted_or_objected_to() {
    let town = Town::new().await;
    let plain = town.neighbour("plain").await;
    let restricted = town.neighbour("restricted").await;
    let objecting = town.neighbour("objecting").await;
    let freed = town.neighbour("freed").await;
    let elsewhere = town.neighbour("elsewhere").await;
    let erased = town.neighbour("erased").await;

    let restriction = r#"{"ground":"ACCURACY_CONTESTED"}"#;
    let before = town.send(&freed, "restrict-processing", restriction).await;
    let at = town.send(&restricted, "restrict-processing", restriction).await;
    let then = town.send(&objecting, "object-to-processing", OBJECTION).await;
    let last = town.send(&freed, "withdraw-restriction", "{}").await;
    let other = r#"{"consent_type":"ANALYTICS","purpose":"search_analytics"}"#;
    town.send(&elsewhere, "object-to-processing", other).await;
    let vault = town.world.database.vault();
    vault.destroy(&erased.actor.subject(), &[PersonalCategory::Content]).await.unwrap();

    let types =
        [PlatformExportType::Communities, PlatformExportType::Posts, PlatformExportType::Comments];
    for export_type in types {
        let found = town.exported(export_type).await;
        let of = |who: &Neighbour| found.get(&who.actor.id.to_string());
        for present in [&plain, &freed, &elsewhere] {
            assert!(of(present).unwrap().as_ref().unwrap().contains("says"), "{export_type:?}");
        }
        assert_eq!((of(&restricted), of(&objecting)), (None, None), "{export_type:?}");
        // A community's description is no personal field: an erasure leaves it.
        if export_type != PlatformExportType::Communities {
            assert_eq!(of(&erased), Some(&None), "what was erased is null");
        }
        assert_eq!(found.len(), 4);
    }

    // Who ends its limit is in the next file again.
    town.send(&restricted, "withdraw-restriction", "{}").await;
    town.send(&objecting, "withdraw-objection", OBJECTION).await;
    assert_eq!(town.exported(PlatformExportType::Posts).await.len(), 6);

    // What counts is what held at the file's position, whatever the read tables know by now.
    let mut connection = town.world.database.pool.acquire().await.unwrap();
    let mut withheld = async |position| {
        let withheld = Withheld::at(&mut connection, position, clock::now()).await.unwrap();
        [&plain, &restricted, &objecting, &freed].map(|who| withheld.is_of(who.actor.id))
    };
    assert_eq!(withheld(before - 1).await, [false; 4]);
    assert_eq!(withheld(before).await, [false, false, false, true]);
    assert_eq!(withheld(at).await, [false, true, false, true]);
    assert_eq!(withheld(then).await, [false, true, true, true]);
    assert_eq!(withheld(last).await, [false, true, true, false]);
    assert_eq!(withheld(1_000_000).await, [false; 4]);
}
