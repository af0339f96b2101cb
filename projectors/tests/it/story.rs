//! A made-up history that touches every projection, the same each time for the same seed.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    scene::{Fact, Scene, fact},
    story_of_compliance,
    story_of_exports::Exports,
    story_of_reports::Reports,
};

/// Numbers without a generator's crate: SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("smaller than sides")
    }
}

pub fn id(kind: u128, number: usize) -> Uuid {
    Uuid::from_u128((0x0190_0000_0000_7000_8000 << 48) | (kind << 40) | number as u128)
}

pub fn sealed(category: &str, text: &str) -> String {
    format!("sealed:v1:{category}:somebody:1:{text}:AAAA")
}

pub fn member(id: Uuid) -> Value {
    json!({ "kind": "member", "id": id })
}

pub const MEMBER: u128 = 1;
pub const COMMUNITY: u128 = 2;
pub const POST: u128 = 3;
pub const CATEGORY: u128 = 4;
pub const ADMIN: u128 = 5;
pub const SESSION: u128 = 6;
pub const COMMENT: u128 = 10;
pub const GUEST: u128 = 13;
pub const SERVICE_ACCOUNT: u128 = 14;
pub const INTEGRATION: u128 = 15;
pub const APPEAL: u128 = 16;

pub fn member_registered(number: usize) -> Fact {
    let member = id(MEMBER, number);
    fact(
        "member",
        member,
        "MemberRegistered",
        json!({ "member_id": member, "credential_id": id(9, number),
            "display_name": sealed("identity", &format!("name{number}")) }),
    )
    .by(&format!("member:{member}"))
}

pub fn community_created(number: usize, owner: Uuid) -> Fact {
    let community = id(COMMUNITY, number);
    fact(
        "community",
        community,
        "CommunityCreated",
        json!({ "community_id": community, "owner": owner, "category_id": id(CATEGORY, 0),
            "name": format!("Community{number}"), "description": "about \"it\"",
            "logo_uri": null, "banner_uri": "https://x.test/b" }),
    )
}

pub fn post_created(number: usize, community: Uuid, author: Uuid) -> Fact {
    let post = id(POST, number);
    fact(
        "post",
        post,
        "PostCreated",
        json!({ "post_id": post, "community_id": community, "author": member(author),
            "title": sealed("content", &format!("title{number}")),
            "body": sealed("content", "body"), "author_display_name": null }),
    )
}

pub fn vote(post: Uuid, voter: Uuid, state: &str, previous: &str) -> Fact {
    let vote = Uuid::from_u128(post.as_u128() ^ (voter.as_u128() << 20));
    fact(
        "post_vote",
        format!("{post}:member:{voter}"),
        "PostVoteCast",
        json!({ "id": vote, "post_id": post, "voter": member(voter), "vote_state": state,
            "previous": previous }),
    )
}

/// A comment on a post or, where there is a parent, on that.
pub fn comment_created(
    number: usize,
    post: Uuid,
    parent: Option<(usize, u32)>,
    author: Uuid,
) -> Fact {
    let comment = id(COMMENT, number);
    fact(
        "comment",
        comment,
        "CommentCreated",
        json!({ "comment_id": comment, "post_id": post, "community_id": id(COMMUNITY, 0),
            "parent_comment_id": parent.map(|(parent, _)| id(COMMENT, parent)),
            "depth": parent.map_or(0, |(_, depth)| depth + 1), "author": member(author),
            "body": sealed("content", "comment"), "display_name": null }),
    )
}

pub fn on_comment(number: usize, kind: &'static str) -> Fact {
    let by = member(id(MEMBER, 0));
    let fields = match kind {
        "CommentDeleted" => json!({ "deleted_by": by }),
        "CommentRestored" => json!({ "restored_by": by }),
        "CommentModerated" => {
            json!({ "action": "delete", "moderator": by, "reason": sealed("content", "why"),
                "community_id": id(COMMUNITY, 0), "author": by })
        }
        _ => json!({ "editor": by, "body": sealed("content", "other words") }),
    };
    fact("comment", id(COMMENT, number), kind, fields)
}

pub fn comment_vote(comment: Uuid, voter: Uuid, state: &str, previous: &str) -> Fact {
    let vote = Uuid::from_u128(comment.as_u128() ^ (voter.as_u128() << 20));
    fact(
        "comment_vote",
        format!("{comment}:member:{voter}"),
        "CommentVoteCast",
        json!({ "id": vote, "comment_id": comment, "voter": member(voter), "vote_state": state,
            "previous": previous }),
    )
}

/// The same comment or vote, by a guest.
pub fn by_guest(mut fact: Fact, field: &str, number: usize) -> Fact {
    fact.payload[fact.event_type][field] = json!({ "kind": "guest", "id": id(GUEST, number) });
    fact
}

pub fn guest_seen(number: usize) -> Fact {
    let guest = id(GUEST, number);
    fact(
        "guest",
        guest,
        "GuestFirstSeen",
        json!({ "guest_id": guest, "session_signature": format!("digest{number}"),
            "first_seen_at": "2026-11-20T12:00:00Z" }),
    )
}

pub fn on_guest(number: usize, kind: &'static str) -> Fact {
    let guest = id(GUEST, number);
    let fields = match kind {
        "GuestForgotten" => {
            json!({ "guest_id": guest, "forgotten_by": { "kind": "guest", "id": guest } })
        }
        _ => json!({ "guest_id": guest, "last_active_at": "2026-11-20T14:00:00Z" }),
    };
    fact("guest", guest, kind, fields).by(&format!("guest:{guest}"))
}

pub fn on_service_account(number: usize, kind: &'static str, key: usize) -> Fact {
    let account = id(SERVICE_ACCOUNT, number);
    let by = json!({ "kind": "admin", "id": id(ADMIN, 0) });
    let mut fields = json!({ "admin_id": account, "credential_id": id(9, 800 + number) });
    match kind {
        "ServiceAccountCreated" => fields["created_by"] = by,
        "ServiceAccountKeyRotated" => fields["rotated_by"] = by,
        _ => fields["revoked_by"] = by,
    }
    if kind != "ServiceAccountKeyRevoked" {
        fields["key_id"] = json!(id(15, key));
    }
    fact("service_account", account, kind, fields).by(&format!("admin:{}", id(ADMIN, 0)))
}

pub fn joined(id: Uuid, community: Uuid, member: Uuid, kind: &'static str) -> Fact {
    fact(
        "membership",
        format!("{community}:{member}"),
        kind,
        json!({ "id": id, "community_id": community, "member_id": member }),
    )
}

/// The list, most recent first, as (entry, community).
pub fn visited(member: Uuid, recent: &[(Uuid, Uuid)]) -> Fact {
    let recent: Vec<_> = recent
        .iter()
        .map(|(id, community)| {
            json!({ "id": id, "community_id": community,
                "last_activity_at": "2026-11-20T12:00:00Z" })
        })
        .collect();
    fact(
        "recent_communities",
        member,
        "CommunityVisited",
        json!({ "member_id": member, "community_id": recent[0]["community_id"],
            "recent": recent }),
    )
}

pub fn session_issued(number: usize, principal: Value) -> Fact {
    let session = id(SESSION, number);
    fact(
        "session",
        session,
        "SessionIssued",
        json!({ "session_id": session, "principal": principal,
            "issued_at": "2026-11-20T12:00:00Z", "expires_at": "2026-12-20T12:00:00Z",
            "device_info": sealed("network", "device"), "ip_address": null }),
    )
    .with_ip(&sealed("network", "address"))
}

pub fn session_revoked(number: usize, cause: &str) -> Fact {
    let revoked = json!({ "revoked_by": member(id(MEMBER, 0)), "cause": cause });
    fact("session", id(SESSION, number), "SessionRevoked", revoked)
        .by(&format!("member:{}", id(MEMBER, 0)))
}

pub fn category_created(number: usize) -> Fact {
    let category = id(CATEGORY, number);
    fact(
        "category",
        category,
        "CategoryCreated",
        json!({ "category_id": category, "name": format!("category-{number}"),
            "description": null }),
    )
}

pub fn reordered(order: &[usize]) -> Fact {
    let order: Vec<_> = order.iter().map(|number| id(CATEGORY, *number)).collect();
    fact("category_order", "all", "CategoriesReordered", json!({ "order": order }))
}

pub fn on_community(number: usize, kind: &'static str) -> Fact {
    let by = member(id(MEMBER, 0));
    let fields = match kind {
        "CommunityDeleted" => json!({ "deleted_by": by }),
        "CommunityRestored" => json!({ "restored_by": by }),
        "CommunityModerated" => json!({ "action": "delete", "moderator": by,
            "reason": sealed("content", "why"), "owner": id(MEMBER, 0) }),
        _ => json!({ "description": "new", "logo_uri": null, "banner_uri": null }),
    };
    fact("community", id(COMMUNITY, number), kind, fields).by(&format!("member:{}", id(MEMBER, 0)))
}

/// The rules of these numbers, in this order.
pub fn rules_set(community: usize, rules: &[usize]) -> Fact {
    let rules: Vec<_> = rules
        .iter()
        .map(|number| {
            json!({ "id": id(11, community * 100 + number), "rule_text": format!("rule {number}"),
                "created_at": "2026-11-20T12:00:00Z" })
        })
        .collect();
    fact(
        "community_rules",
        id(COMMUNITY, community),
        "CommunityRulesSet",
        json!({ "community_id": id(COMMUNITY, community), "set_by": member(id(MEMBER, 0)),
            "rules": rules }),
    )
}

/// What happens to one member's credential, with this address where there is one.
pub fn on_credential(number: usize, kind: &'static str, address: &str) -> Fact {
    let credential = id(9, number);
    let email = sealed("identity", address);
    let fields = match kind {
        "CredentialRegistered" => {
            json!({ "credential_id": credential, "holder": member(id(MEMBER, number)),
                "email": email, "password_hash": sealed("credential", "hash") })
        }
        "EmailChanged" => json!({ "confirmation_id": id(13, number), "email": email,
            "previous": sealed("identity", "previous") }),
        "EmailChangeRequested" => json!({ "confirmation_id": id(13, number), "email": email,
            "expires_at": "2026-11-20T12:00:00Z" }),
        "PasswordReset" => {
            json!({ "reset_id": id(14, number), "password_hash": sealed("credential", "other") })
        }
        _ => json!({}),
    };
    fact("credential", credential, kind, fields)
}

/// A key of the configuration, set, described or removed; its entry has this number.
pub fn configured(key: &str, kind: &'static str, entry: usize, value: &str) -> Fact {
    let by = json!({ "kind": "admin", "id": id(ADMIN, 0) });
    let fields = match kind {
        "ConfigurationRemoved" => {
            json!({ "id": id(12, entry), "key": key, "previous": value, "removed_by": by })
        }
        "ConfigurationDescribed" => {
            json!({ "id": id(12, entry), "key": key, "value": value, "description": "why",
                "described_by": by })
        }
        _ => json!({ "id": id(12, entry), "key": key, "value": value, "description": null,
            "previous": null, "set_by": by }),
    };
    fact("configuration", key, kind, fields).by(&format!("admin:{}", id(ADMIN, 0)))
}

/// Something that happens to an integration, with its whole state after it.
pub fn integrated(number: usize, kind: &'static str, status: &str, url: Option<&str>) -> Fact {
    let by = json!({ "kind": "admin", "id": id(ADMIN, 0) });
    let state = json!({ "name": format!("Integration{number}"), "provider_url": url,
        "status": status, "last_successful_sync_at": "2026-01-31T12:00:00.000001Z" });
    let masked = sealed("content", &format!("masked{number}"));
    let secret = sealed("credential", "secret");
    let fields = match kind {
        "IntegrationRegistered" => {
            json!({ "integration_id": id(INTEGRATION, number), "integration": state,
                "config_json": secret, "masked_config": masked, "registered_by": by })
        }
        "IntegrationConfigured" => {
            json!({ "integration": state, "config_json": null, "masked_config": null,
                "configured_by": by })
        }
        "IntegrationFailed" => {
            json!({ "integration": state, "problem": sealed("content", "401"), "reported_by": by })
        }
        "IntegrationRemoved" => json!({ "name": format!("Integration{number}"), "removed_by": by }),
        _ => json!({ "integration": state, "enabled_by": by }),
    };
    fact("integration", id(INTEGRATION, number), kind, fields)
        .by(&format!("admin:{}", id(ADMIN, 0)))
}

pub fn on_post(number: usize, kind: &'static str) -> Fact {
    let by = member(id(MEMBER, 0));
    let fields = match kind {
        "PostDeleted" => json!({ "deleted_by": by }),
        "PostRestored" => json!({ "restored_by": by }),
        "PostModerated" => {
            json!({ "action": "delete", "moderator": by, "reason": sealed("content", "why") })
        }
        _ => json!({ "editor": by, "title": sealed("content", "new title"),
            "body": sealed("content", "new body") }),
    };
    fact("post", id(POST, number), kind, fields)
}

/// An appeal of a member against the removal of a post, or its decision.
pub fn on_appeal(number: usize, kind: &'static str, post: usize, appellant: Uuid) -> Fact {
    let admin = json!({ "kind": "admin", "id": id(ADMIN, 0) });
    let fields = match kind {
        "ModerationAppealLodged" => json!({
            "against": { "moderation_id": id(APPEAL, number), "kind": "post",
                "thing_id": id(POST, post), "action": "delete", "moderator": admin,
                "affected": member(appellant) },
            "appellant": member(appellant), "text": sealed("content", "no") }),
        _ => {
            json!({ "decided_by": admin, "outcome": "upheld", "reason": sealed("content", "yes") })
        }
    };
    fact("moderation_appeal", id(APPEAL, number), kind, fields)
}

/// Some thousand events: everything that can happen, in an order that the dice decide.
pub fn tell(seed: u64, events: usize) -> Vec<Fact> {
    let mut dice = Dice(seed);
    let mut told: Vec<Fact> = (0..3).map(category_created).collect();
    told.push(reordered(&[0, 1, 2]));
    told.push(fact(
        "admin",
        id(ADMIN, 0),
        "AdminCreated",
        json!({ "admin_id": id(ADMIN, 0), "credential_id": id(9, 900), "display_name": null,
            "scopes": ["global", "ops"], "created_by": { "kind": "system", "id": Uuid::nil() } }),
    ));
    let (mut members, mut communities, mut posts, mut sessions) = (3, 3, 3, 1);
    told.extend((0..3).map(member_registered));
    told.extend((0..3).map(|number| community_created(number, id(MEMBER, number))));
    told.extend((0..3).map(|number| post_created(number, id(COMMUNITY, number), id(MEMBER, 0))));
    told.push(session_issued(0, member(id(MEMBER, 0))));
    told.push(comment_created(0, id(POST, 0), None, id(MEMBER, 0)));
    told.extend((0..3).map(guest_seen));
    told.push(on_service_account(0, "ServiceAccountCreated", 0));
    // Each comment's post and depth.
    let mut comments = vec![(0, 0)];
    let mut configured_keys: std::collections::HashMap<_, (usize, bool)> = Default::default();
    told.push(configured("theme", "ConfigurationSet", 0, "dark"));
    configured_keys.insert("theme", (0, true));
    for (number, kinds) in [
        &["EmailConfirmationRequested", "EmailConfirmed", "EmailChangeRequested"][..],
        &["EmailChangeRequested", "EmailChanged", "CredentialInvalidated"],
        &["EmailChangeRequested", "PasswordReset", "PasswordChanged"],
    ]
    .into_iter()
    .enumerate()
    {
        told.push(on_credential(number, "CredentialRegistered", "first"));
        told.extend(kinds.iter().map(|kind| on_credential(number, kind, "second")));
    }
    let mut integrations = 0;
    let mut comment_votes = std::collections::HashMap::new();
    let mut votes = std::collections::HashMap::new();
    let mut memberships = std::collections::HashMap::new();
    let mut lists: std::collections::HashMap<usize, Vec<(Uuid, Uuid)>> = Default::default();
    let (mut lodged, mut decided) = (0, 0);
    let mut reports = Reports::default();
    reports.begin(&mut told);
    let mut exports = Exports::default();
    exports.begin(&mut told);
    story_of_compliance::begin(&mut told);
    crate::story_of_security::begin(&mut told);
    told.extend(crate::rows_of_erasure::told());
    while told.len() < events {
        let (m, c, p) = (dice.roll(members), dice.roll(communities), dice.roll(posts));
        match dice.roll(28) {
            0 => {
                told.push(member_registered(members));
                members += 1;
            }
            1 => {
                told.push(community_created(communities, id(MEMBER, m)));
                communities += 1;
            }
            2 | 3 => {
                told.push(post_created(posts, id(COMMUNITY, c), id(MEMBER, m)));
                posts += 1;
            }
            4 => {
                told.push(session_issued(sessions, member(id(MEMBER, m))));
                sessions += 1;
            }
            5 => told.push(session_revoked(dice.roll(sessions), "revoked")),
            6 => {
                let kinds = [
                    "CommunityDeleted",
                    "CommunityRestored",
                    "CommunityUpdated",
                    "CommunityModerated",
                ];
                told.push(on_community(c, kinds[dice.roll(4)]));
            }
            7 => {
                let kinds = ["PostEdited", "PostDeleted", "PostRestored", "PostModerated"];
                told.push(on_post(p, kinds[dice.roll(4)]));
            }
            8 | 9 => {
                let next = told.len();
                let key = (c, m);
                let (entry, kind) = match memberships.remove(&key) {
                    Some(entry) => (entry, "CommunityLeft"),
                    None => (id(7, next), "CommunityJoined"),
                };
                if kind == "CommunityJoined" {
                    memberships.insert(key, entry);
                }
                told.push(joined(entry, id(COMMUNITY, c), id(MEMBER, m), kind));
            }
            10..=12 => {
                let list = lists.entry(m).or_default();
                let known = list.iter().position(|(_, community)| *community == id(COMMUNITY, c));
                let entry =
                    known.map_or((id(8, told.len()), id(COMMUNITY, c)), |at| list.remove(at));
                list.insert(0, entry);
                list.truncate(5);
                told.push(visited(id(MEMBER, m), list));
            }
            13 => {
                let kinds = ["MemberSuspended", "MemberReinstated", "MemberDeletionPending"];
                told.push(fact("member", id(MEMBER, m), kinds[dice.roll(3)], json!({})));
            }
            14 => {
                let mut order = vec![0, 1, 2];
                order.rotate_left(dice.roll(3));
                told.push(reordered(&order));
            }
            15 | 16 => {
                let number = comments.len();
                let parent = dice.roll(2 * number);
                let (post, parent) = match comments.get(parent) {
                    Some((post, depth)) => (*post, Some((parent, *depth))),
                    None => (p, None),
                };
                told.push(comment_created(number, id(POST, post), parent, id(MEMBER, m)));
                comments.push((post, parent.map_or(0, |(_, depth)| depth + 1)));
            }
            21 => {
                let key = ["max_post_length", "theme"][dice.roll(2)];
                let entries: &mut (usize, bool) = configured_keys.entry(key).or_default();
                let kinds = ["ConfigurationSet", "ConfigurationDescribed", "ConfigurationRemoved"];
                let kind = if entries.1 { kinds[dice.roll(3)] } else { kinds[0] };
                if !entries.1 {
                    // Another entry than the one that was removed.
                    *entries = (told.len(), true);
                }
                told.push(configured(key, kind, entries.0, &dice.roll(9).to_string()));
                entries.1 = kind != kinds[2];
            }
            20 => {
                let mut rules = vec![0, 1, 2, 3];
                rules.rotate_left(dice.roll(4));
                rules.truncate(dice.roll(5));
                told.push(rules_set(c, &rules));
            }
            22 if integrations == 0 || dice.roll(4) == 0 => {
                told.push(integrated(integrations, "IntegrationRegistered", "pending setup", None));
                integrations += 1;
            }
            22 => {
                let (kind, status) = [
                    ("IntegrationConfigured", "enabled"),
                    ("IntegrationEnabled", "enabled"),
                    ("IntegrationDisabled", "disabled"),
                    ("IntegrationFailed", "error"),
                    ("IntegrationSynced", "enabled"),
                    ("IntegrationRemoved", "enabled"),
                ][dice.roll(6)];
                let url = Some("https://example.com/");
                told.push(integrated(dice.roll(integrations), kind, status, url));
            }
            17 => {
                let kinds =
                    ["CommentEdited", "CommentDeleted", "CommentRestored", "CommentModerated"];
                told.push(on_comment(dice.roll(comments.len()), kinds[dice.roll(4)]));
            }
            27 if decided < lodged => {
                told.push(on_appeal(decided, "ModerationAppealDecided", p, id(MEMBER, m)));
                decided += 1;
            }
            27 => {
                told.push(on_appeal(lodged, "ModerationAppealLodged", p, id(MEMBER, m)));
                lodged += 1;
            }
            24 => told.push(exports.next(m, dice.roll(60), dice.roll(15))),
            25 => told.push(reports.next(m, dice.roll(4), dice.roll(5))),
            18 | 19 => {
                let comment = dice.roll(comments.len());
                let state = ["upvote", "downvote", "none"][dice.roll(3)];
                let previous = comment_votes.insert((comment, m), state).unwrap_or("none");
                told.push(comment_vote(id(COMMENT, comment), id(MEMBER, m), state, previous));
            }
            26 => {
                let guest = dice.roll(3);
                told.push(match dice.roll(6) {
                    0 => on_guest(guest, "GuestForgotten"),
                    1 | 2 => on_guest(guest, "GuestActive"),
                    3 => on_service_account(0, "ServiceAccountKeyRevoked", 0),
                    _ => on_service_account(0, "ServiceAccountKeyRotated", told.len()),
                });
            }
            _ => {
                let state = ["upvote", "downvote", "none"][dice.roll(3)];
                let previous = votes.insert((p, m), state).unwrap_or("none");
                told.push(vote(id(POST, p), id(MEMBER, m), state, previous));
            }
        }
    }
    told
}

impl Scene {
    /// A scene with a history of its own.
    pub async fn with_story(seed: u64, events: usize) -> Self {
        let mut scene = Self::new().await;
        scene.append(tell(seed, events)).await;
        scene
    }
}
