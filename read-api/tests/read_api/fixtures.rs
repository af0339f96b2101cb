//! What happens on the platform of a test: people, communities, posts, votes, straight into the log.

use std::str::FromStr;

use agora_domain::{
    Actor, Personal, PersonalCategory, Subject,
    community::{
        category::{Category, CategoryEvent},
        category_order::{CategoryOrder, CategoryOrderEvent},
        community::{Community, CommunityEvent},
        membership::{Membership, MembershipEvent},
        recent_communities::{RecentCommunities, RecentCommunitiesEvent, RecentCommunity},
    },
    content::{
        comment::{Comment, CommentEvent},
        comment_vote::{CommentVote, CommentVoteEvent},
        post::{Post, PostEvent},
        post_vote::{PostVote, PostVoteEvent},
        vote::VoteState,
    },
    identity::{
        admin::{Admin, AdminEvent},
        credential::{Credential, CredentialEvent},
        member::{Member, MemberEvent},
        session::{Session, SessionEvent},
        session_era::{SessionEra, SessionEraEvent},
        values::{AdminScope, DeviceInfo, RevocationCause},
    },
    ids::{
        AdminId, CategoryId, CommentId, CommentVoteId, CommunityId, CredentialId, MemberId,
        MembershipId, OrganizationId, PostId, PostVoteId, RecentCommunityId, SessionId,
    },
};
use agora_event_store::{
    Position, Unit,
    unit::{Claim, Release},
};
use agora_service::clock;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::world::{CLIENT, User, World};

impl World {
    pub async fn member(&self, display_name: Option<&str>) -> User {
        let member_id = MemberId(clock::new_id());
        let actor = Actor::member(member_id);
        let credential_id = self.credential(actor).await;
        let display_name =
            display_name.map(|name| personal(member_id.0, PersonalCategory::Identity, name));
        let registered = MemberEvent::MemberRegistered { member_id, credential_id, display_name };
        self.append::<Member>(actor, member_id, vec![registered]).await;
        self.log_in(actor).await
    }

    pub async fn admin(&self, scopes: &[AdminScope]) -> User {
        let admin_id = AdminId(clock::new_id());
        let actor = Actor::admin(admin_id);
        let created = AdminEvent::AdminCreated {
            admin_id,
            credential_id: self.credential(actor).await,
            display_name: None,
            scopes: scopes.to_vec(),
            created_by: Actor::SYSTEM,
        };
        self.append::<Admin>(Actor::SYSTEM, admin_id, vec![created]).await;
        self.log_in(actor).await
    }

    async fn credential(&self, holder: Actor) -> CredentialId {
        let credential_id = CredentialId(clock::new_id());
        let hash = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$\
                    8Lh0vnQ2jdQxHjpzrHyxwvSB9xVJLqWTJKM5CYK5e1A";
        let registered = CredentialEvent::CredentialRegistered {
            credential_id,
            holder,
            email: personal(holder.id, PersonalCategory::Identity, "somebody@example.org"),
            password_hash: personal(holder.id, PersonalCategory::Credential, hash),
        };
        self.append::<Credential>(holder, credential_id, vec![registered]).await;
        credential_id
    }

    pub async fn log_in(&self, actor: Actor) -> User {
        self.log_in_until(actor, clock::now() + TimeDelta::hours(1)).await
    }

    pub async fn log_in_until(&self, actor: Actor, expires_at: DateTime<Utc>) -> User {
        self.session(actor, expires_at, None).await
    }

    /// A session of an organization.
    pub async fn log_in_within(&self, actor: Actor, organization_id: OrganizationId) -> User {
        let expires_at = clock::now() + TimeDelta::hours(1);
        self.session(actor, expires_at, Some(organization_id)).await
    }

    async fn session(
        &self,
        actor: Actor,
        expires_at: DateTime<Utc>,
        organization_id: Option<OrganizationId>,
    ) -> User {
        let session = SessionId(clock::new_id());
        let token = URL_SAFE_NO_PAD.encode(Sha256::digest(session.to_string()));
        let network = PersonalCategory::Network;
        let issued = SessionEvent::SessionIssued {
            session_id: session,
            principal: actor,
            issued_at: expires_at - TimeDelta::hours(1),
            expires_at,
            device_info: Some(Personal::new(actor.subject(), network, DeviceInfo::from("Firefox"))),
            ip_address: Some(personal(actor.id, network, CLIENT)),
            era: Some(self.era().await),
            organization_id,
        };
        let mut unit = Unit::default();
        self.draft::<Session>(&mut unit, actor, session, vec![issued]).await;
        unit.takes.push(Claim {
            scope: "session_token",
            key: URL_SAFE_NO_PAD.encode(Sha256::digest(&token)),
            aggregate_id: session.to_string(),
        });
        self.write(unit).await;
        User { actor, session, token }
    }

    async fn era(&self) -> u64 {
        self.log.load::<SessionEra>(SessionEra::STREAM_ID).await.unwrap().state.era()
    }

    /// Ends everybody's sessions but one (SES-12).
    pub async fn revoke_everybodys(&self, by: Actor, kept: Option<SessionId>) -> Position {
        let era = self.era().await + 1;
        let revoked = SessionEraEvent::AllSessionsRevoked { era, revoked_by: by, kept };
        let mut unit = Unit::default();
        self.draft::<SessionEra>(&mut unit, by, SessionEra::STREAM_ID, vec![revoked]).await;
        self.write(unit).await
    }

    pub async fn revoke(&self, user: &User) -> Position {
        let revoked = SessionEvent::SessionRevoked {
            revoked_by: user.actor,
            cause: RevocationCause::LoggedOut,
        };
        let mut unit = Unit::default();
        self.draft::<Session>(&mut unit, user.actor, user.session, vec![revoked]).await;
        let aggregate_id = user.session.to_string();
        unit.releases.push(Release { scope: "session_token", aggregate_id });
        self.write(unit).await
    }

    /// Categories in the order given.
    pub async fn categories(&self, names: &[&str]) -> Vec<CategoryId> {
        let mut order = Vec::new();
        for name in names {
            let category_id = CategoryId(clock::new_id());
            let name = name.parse().unwrap();
            let created = CategoryEvent::CategoryCreated { category_id, name, description: None };
            self.append::<Category>(Actor::SYSTEM, category_id, vec![created]).await;
            order.push(category_id);
        }
        self.reorder(&order).await;
        order
    }

    pub async fn reorder(&self, order: &[CategoryId]) {
        let reordered = CategoryOrderEvent::CategoriesReordered { order: order.to_vec() };
        self.append::<CategoryOrder>(Actor::SYSTEM, "all", vec![reordered]).await;
    }

    pub async fn community(
        &self,
        owner: &User,
        category_id: CategoryId,
        name: &str,
    ) -> CommunityId {
        let community_id = CommunityId(clock::new_id());
        let created = CommunityEvent::CommunityCreated {
            community_id,
            owner: owner.actor.as_member().unwrap(),
            category_id,
            name: name.parse().unwrap(),
            description: None,
            logo_uri: None,
            banner_uri: None,
        };
        self.append::<Community>(owner.actor, community_id, vec![created]).await;
        community_id
    }

    pub async fn delete_community(&self, by: &User, community: CommunityId) {
        let deleted = CommunityEvent::CommunityDeleted { deleted_by: by.actor };
        self.append::<Community>(by.actor, community, vec![deleted]).await;
    }

    pub async fn join(&self, user: &User, community_id: CommunityId) {
        let member_id = user.actor.as_member().unwrap();
        let joined = MembershipEvent::CommunityJoined {
            id: MembershipId(clock::new_id()),
            community_id,
            member_id,
        };
        let stream = format!("{community_id}:{member_id}");
        self.append::<Membership>(user.actor, stream, vec![joined]).await;
    }

    /// A visit, with the whole list after it, the most recent first.
    pub async fn visit(&self, user: &User, recent: &[CommunityId]) {
        let member_id = user.actor.as_member().unwrap();
        let now = clock::now();
        let list = recent.iter().map(|community_id| RecentCommunity {
            id: RecentCommunityId(clock::new_id()),
            community_id: *community_id,
            last_activity_at: now,
        });
        let visited = RecentCommunitiesEvent::CommunityVisited {
            member_id,
            community_id: recent[0],
            recent: list.collect(),
        };
        self.append::<RecentCommunities>(user.actor, member_id, vec![visited]).await;
    }

    pub async fn post(&self, author: &User, community_id: CommunityId, title: &str) -> PostId {
        self.post_named(author, community_id, title, None).await
    }

    pub async fn post_named(
        &self,
        author: &User,
        community_id: CommunityId,
        title: &str,
        name: Option<&str>,
    ) -> PostId {
        let post_id = PostId(clock::new_id());
        let content = PersonalCategory::Content;
        let created = PostEvent::PostCreated {
            post_id,
            community_id,
            author: author.actor,
            title: personal(author.id(), content, title),
            body: personal(author.id(), content, "A body of some length."),
            author_display_name: name
                .map(|name| personal(author.id(), PersonalCategory::Identity, name)),
        };
        self.append::<Post>(author.actor, post_id, vec![created]).await;
        post_id
    }

    pub async fn edit_post(&self, author: &User, post: PostId, title: &str) -> Position {
        let content = PersonalCategory::Content;
        let edited = PostEvent::PostEdited {
            editor: author.actor,
            title: personal(author.id(), content, title),
            body: personal(author.id(), content, "Another body of some length."),
        };
        self.append::<Post>(author.actor, post, vec![edited]).await
    }

    pub async fn delete_post(&self, by: &User, post: PostId) -> Position {
        let deleted = PostEvent::PostDeleted { deleted_by: by.actor };
        self.append::<Post>(by.actor, post, vec![deleted]).await
    }

    pub async fn vote(&self, voter: &User, post_id: PostId, vote_state: VoteState) -> Position {
        let stream = PostVote::stream_id(post_id, voter.actor);
        let before = self.log.load_fresh::<PostVote>(&stream).await.unwrap().state;
        let cast = PostVoteEvent::PostVoteCast {
            id: before.id.unwrap_or(PostVoteId(clock::new_id())),
            post_id,
            voter: voter.actor,
            vote_state,
            previous: before.vote_state,
        };
        self.append::<PostVote>(voter.actor, stream, vec![cast]).await
    }

    pub async fn comment(
        &self,
        author: &User,
        post_id: PostId,
        parent: Option<(CommentId, u32)>,
        body: &str,
    ) -> CommentId {
        let comment_id = CommentId(clock::new_id());
        let created = CommentEvent::CommentCreated {
            comment_id,
            post_id,
            community_id: CommunityId(Uuid::nil()),
            parent_comment_id: parent.map(|(parent, _)| parent),
            depth: parent.map_or(0, |(_, depth)| depth + 1),
            author: author.actor,
            body: personal(author.id(), PersonalCategory::Content, body),
            display_name: Some(personal(author.id(), PersonalCategory::Identity, "Kari")),
        };
        self.append::<Comment>(author.actor, comment_id, vec![created]).await;
        comment_id
    }

    pub async fn delete_comment(&self, by: &User, comment: CommentId) -> Position {
        let deleted = CommentEvent::CommentDeleted { deleted_by: by.actor };
        self.append::<Comment>(by.actor, comment, vec![deleted]).await
    }

    pub async fn vote_on_comment(&self, voter: &User, comment_id: CommentId, state: VoteState) {
        let cast = CommentVoteEvent::CommentVoteCast {
            id: CommentVoteId(clock::new_id()),
            comment_id,
            voter: voter.actor,
            vote_state: state,
            previous: VoteState::None,
        };
        let stream = CommentVote::stream_id(comment_id, voter.actor);
        self.append::<CommentVote>(voter.actor, stream, vec![cast]).await;
    }

    /// A community with an owner, in a category.
    pub async fn community_of(&self, owner: &User, name: &str) -> CommunityId {
        let category = self.categories(&["Science"]).await[0];
        self.community(owner, category, name).await
    }
}

fn personal<T: FromStr<Err: std::fmt::Debug>>(
    subject: Uuid,
    category: PersonalCategory,
    text: &str,
) -> Personal<T> {
    Personal::new(Subject::from(subject), category, text.parse().unwrap())
}
