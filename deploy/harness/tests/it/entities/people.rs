//! Who there is: E06 guests, E07 members, E08 admins, E09 credentials, E04 sessions.

use agora_harness::scene::password;
use serde_json::{Value, json};

use super::walk::{Made, User, Walk, Way, act, item, object};

/// Those who act in what follows.
pub(super) struct People {
    pub(super) admin: User,
    /// Another one, who has moderated nothing.
    pub(super) judge: User,
    pub(super) ola: User,
    pub(super) kari: User,
}

pub(super) async fn walk(walk: &mut Walk) -> People {
    let admin = walk.admin.clone();
    let kari = walk.new_member("kari@example.org").await;
    e06_guest(walk, &admin, &kari).await;
    let ola = e07_member(walk, &kari).await;
    let judge = e08_admin(walk, &admin, &kari).await;
    e09_credential(walk).await;
    e04_session(walk, &ola, &kari).await;
    People { admin, judge, ola, kari }
}

async fn e06_guest(walk: &mut Walk, admin: &User, kari: &User) {
    let seen = walk.make(&User::default(), "record-guest-visit", json!({})).await;
    let signature = seen.result["session_signature"].as_str().map(str::to_owned);
    let guest = User { id: seen.id.clone(), signature, ..User::default() };
    walk.go(Way {
        entity: "E06 guest",
        made: &seen,
        read: item(admin, "/v1/guests?limit=100", &seen.id),
        shows: json!({ "id": seen.id, "deleted_at": Value::Null }),
        forbidden: vec![
            (act(kari, "record-guest-visit", json!({})), 403, "ROL-01"),
            (act(kari, "forget-guest", json!({ "guest_id": seen.id })), 403, "ROL-01"),
        ],
        change: act(&guest, "forget-guest", json!({})),
        then_shows: json!({ "id": seen.id, "sequence": 2 }),
        events: &["GuestFirstSeen", "GuestForgotten"],
        own_history: None,
    })
    .await;
    walk.refused("E06 guest", &act(&guest, "record-guest-visit", json!({})), 401, "GST-05").await;
}

async fn e07_member(walk: &mut Walk, kari: &User) -> User {
    let email = "ola@example.org";
    let body = json!({ "email": email, "password": password(email), "display_name": "Ola" });
    let member = walk.make(&User::default(), "register-member", body.clone()).await;
    let ola = walk.log_in(email, &password(email)).await;
    let named = |name: &str| json!({ "display_name": name });
    walk.go(Way {
        entity: "E07 member",
        made: &member,
        read: object(&ola, "/v1/me"),
        shows: json!({ "kind": "member", "display_name": "Ola", "status": "active" }),
        forbidden: vec![
            (act(&User::default(), "register-member", body), 422, "CRD-01"),
            (act(&ola, "change-display-name", named(&"o".repeat(33))), 422, "MEM-01"),
            (act(kari, "suspend-member", json!({ "member_id": ola.id })), 403, "ROL-01"),
        ],
        change: act(&ola, "change-display-name", named("Ola Nordmann")),
        then_shows: json!({ "display_name": "Ola Nordmann" }),
        events: &["MemberRegistered", "DisplayNameChanged"],
        own_history: None,
    })
    .await;
    ola
}

async fn e08_admin(walk: &mut Walk, admin: &User, kari: &User) -> User {
    let email = "judge@example.org";
    let body = json!({ "email": email, "password": password(email), "scopes": ["legal"] });
    let made = walk.make(admin, "create-admin", body).await;
    let judge = walk.log_in(email, &password(email)).await;
    let grant = |scope: &str| json!({ "admin_id": judge.id, "scope": scope });
    let another = json!({ "email": "eve@example.org", "password": password(email) });
    walk.go(Way {
        entity: "E08 admin",
        made: &made,
        read: object(&judge, "/v1/me"),
        shows: json!({ "kind": "admin", "status": "active", "scopes": ["legal"] }),
        forbidden: vec![
            (act(kari, "create-admin", another), 403, "ADM-01"),
            (act(&judge, "grant-admin-scope", grant("global")), 403, "ADM-06"),
            (act(&judge, "suspend-admin", json!({ "admin_id": judge.id })), 403, "ADM-05"),
        ],
        change: act(admin, "grant-admin-scope", grant("privacy")),
        then_shows: json!({ "scopes": ["privacy", "legal"] }),
        events: &["AdminCreated", "AdminScopeGranted"],
        own_history: None,
    })
    .await;
    judge
}

async fn e09_credential(walk: &mut Walk) {
    let email = "liv@example.org";
    let body = json!({ "email": email, "password": password(email) });
    let registered = walk.make(&User::default(), "register-member", body).await;
    let liv = walk.log_in(email, &password(email)).await;
    let known = walk.read(&object(&liv, "/v1/me/credential"), registered.position).await;
    let id = known["id"].as_str().expect("a credential").to_owned();
    let credential = Made { aggregate_type: "credential".to_owned(), id, ..registered };
    let change = |password: &str| json!({ "email": "liv@example.net", "password": password });
    walk.go(Way {
        entity: "E09 credential",
        made: &credential,
        read: object(&liv, "/v1/me/credential"),
        shows: json!({ "email": email, "deleted_at": Value::Null }),
        forbidden: vec![
            (act(&liv, "change-email", change("not the present phrase")), 403, "CRD-10"),
            (
                act(
                    &liv,
                    "change-password",
                    json!({ "current_password": password(email), "new_password": "short" }),
                ),
                422,
                "CRD-06",
            ),
        ],
        change: act(&liv, "change-email", change(&password(email))),
        then_shows: json!({ "email": email, "pending_email": "liv@example.net" }),
        events: &["CredentialRegistered", "EmailChangeRequested"],
        own_history: None,
    })
    .await;
    let shown = walk.events("credential", &credential.id).await;
    let clear = shown.iter().any(|event| event.to_string().contains("$argon2"));
    walk.holds("E09 credential", !clear, "the log shows a hash of a password");
}

async fn e04_session(walk: &mut Walk, ola: &User, kari: &User) {
    let body = json!({ "email": ola.email, "password": password(&ola.email) });
    let logged_in = walk.make(&User::default(), "log-in", body).await;
    let token = logged_in.result["token"].as_str().map(str::to_owned);
    let (id, phone) = (&logged_in.id, User { token, ..ola.clone() });
    let revoke = json!({ "session_id": id });
    walk.go(Way {
        entity: "E04 session",
        made: &logged_in,
        read: item(ola, "/v1/me/sessions", id),
        shows: json!({ "user_id": ola.id, "revoked_at": Value::Null, "current": false }),
        forbidden: vec![(act(kari, "revoke-session", revoke.clone()), 404, "REL-10")],
        change: act(ola, "revoke-session", revoke),
        then_shows: json!({ "id": id, "revoke_cause": "revoked" }),
        events: &["SessionIssued", "SessionRevoked"],
        own_history: None,
    })
    .await;
    walk.refused("E04 session", &act(&phone, "log-out", json!({})), 401, "SES-04").await;
}
