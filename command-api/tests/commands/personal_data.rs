//! Nothing that is about a person stands in the clear in any table of the database.

use futures::TryStreamExt;
use serde_json::json;

use crate::common::{CLIENT, Call, PASSWORD, Settled, World};

/// Every row of every table, as COPY writes it.
pub async fn dump(world: &World) -> String {
    let tables: Vec<(String, String)> = sqlx::query_as(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')",
    )
    .fetch_all(&world.database.pool)
    .await
    .unwrap();
    assert!(tables.len() > 10, "{tables:?}");
    let mut connection = world.database.pool.acquire().await.unwrap();
    let mut dump = Vec::new();
    for (schema, table) in tables {
        let copy = format!("COPY \"{schema}\".\"{table}\" TO STDOUT");
        let mut rows = connection.copy_out_raw(&copy).await.unwrap();
        while let Some(chunk) = rows.try_next().await.unwrap() {
            dump.extend_from_slice(&chunk);
        }
    }
    String::from_utf8(dump).unwrap()
}

#[tokio::test]
async fn crd_02_ses_01_no_table_holds_personal_data_or_secrets_in_the_clear() {
    let world = World::new().await;
    let Settled { admin, owner, community_id, .. } = world.settled().await;
    let secrets = [
        "ola.nordmann@secret-domain.org",
        "a phrase that nobody guesses",
        "Ola Nordmann the Elder",
        "Nickname of an author",
        "A title that tells much",
        "A body that tells even more of somebody.",
        "An edited title that tells",
        "He was rude to a moderator",
        "Mozilla/5.0 (a rare device)",
        "another phrase that nobody guesses",
    ];
    let [email, password, name, author, title, text, edited, reason, device, new_password] =
        secrets;
    let body = json!({ "email": email, "password": password, "display_name": name });
    let member_id = world.guest("register-member", body).await.id();
    let login = json!({ "email": email, "password": password });
    let call = Call::new("log-in").header("user-agent", device).body(login);
    let login = world.request(call).await;
    let token = login.result("token");
    let ola = crate::common::Person {
        actor: agora_domain::Actor::member(member_id.parse().unwrap()),
        email: email.to_owned(),
        token: token.clone(),
        session_id: login.result("session_id"),
    };
    world.join(&ola, &community_id).await;
    let post = json!({
        "community_id": community_id, "title": title, "body": text, "author_display_name": author,
    });
    let call = Call::new("create-post").token(&token).header("idempotency-key", "a key").body(post);
    let post_id = world.request(call).await.id();
    let edit = json!({ "post_id": post_id, "title": edited });
    world.send(&ola, "edit-post", edit).await.accepted();
    let moderate = json!({ "post_id": post_id, "reason": reason });
    world.send(&admin, "delete-post", moderate).await.accepted();
    let change = json!({ "current_password": password, "new_password": new_password });
    world.send(&ola, "change-password", change).await.accepted();
    let suspend = json!({ "member_id": member_id, "reason": reason });
    world.send(&admin, "suspend-member", suspend).await.accepted();
    // Refusals, too: their records and whatever was parsed before them.
    world.guest("log-in", json!({ "email": email, "password": "x" })).await.problem(401);
    world
        .send(&owner, "create-post", json!({ "community_id": community_id, "title": title }))
        .await
        .problem(400);

    let dump = dump(&world).await;
    assert!(dump.contains(&member_id) && dump.contains("sealed:v1:identity:"), "it is the dump");
    let (mine, hash) = (owner.token.as_str(), "$argon2id$");
    let others = [token.as_str(), mine, owner.email.as_str(), PASSWORD, hash, CLIENT];
    for secret in secrets.iter().copied().chain(others) {
        for form in [secret.to_owned(), secret.to_lowercase(), hex::encode(secret)] {
            assert!(!dump.contains(&form), "found {form}");
        }
    }
}
