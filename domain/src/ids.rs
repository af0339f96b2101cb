//! Ids are types: a post's id cannot be passed where a member's is meant. All are UUIDs, version 7
//! where Agora makes them (K25), written as lower-case hyphenated text everywhere.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::refusal::RuleBreak;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = RuleBreak;

            /// Accepts the hyphenated form only: one id has one spelling, so that it makes one stream.
            fn from_str(text: &str) -> Result<Self, RuleBreak> {
                if text.len() != 36 {
                    return Err(RuleBreak::malformed("must be a UUID in its hyphenated form"));
                }
                Uuid::try_parse(text)
                    .map(Self)
                    .map_err(|_| RuleBreak::malformed("must be a UUID in its hyphenated form"))
            }
        }
    )*};
}

ids! {
    /// A registered person's account (E07).
    MemberId;
    /// A platform administrator (E08).
    AdminId;
    /// Somebody without an account (E06).
    GuestId;
    /// A key that a service account gets in with (ADM-07).
    ApiKeyId;
    /// An e-mail address and a password hash (E09).
    CredentialId;
    /// A request for a new password (E09).
    PasswordResetId;
    /// A proof, asked for by mail, that an address is somebody's (E09).
    EmailConfirmationId;
    /// A login (E04).
    SessionId;
    /// A category of communities (E01).
    CategoryId;
    /// A community (E10).
    CommunityId;
    /// One member's membership of one community (E11).
    MembershipId;
    /// One entry of a member's recent communities (E13).
    RecentCommunityId;
    /// An entry of the configuration (E02).
    ConfigurationId;
    /// An integration with an outside service (E05).
    IntegrationId;
    /// A rule of a community (E12).
    CommunityRuleId;
    /// A post (E14).
    PostId;
    /// One voter's vote on one post (E15).
    PostVoteId;
    /// A comment on a post or on another comment (E17).
    CommentId;
    /// One voter's vote on one comment (E18).
    CommentVoteId;
    /// An act of moderation (E16): the id of its event, and of the appeal against it.
    ModerationId;
    /// A notice that a post or a comment is illegal or breaks the terms (LAW-10).
    ContentNoticeId;
    /// A tenant: who reports and exports (E21).
    OrganizationId;
    /// A statutory report (E21).
    BufdirReportId;
    /// A request for a file (E20, E21, E23).
    ExportJobId;
    /// A version of the privacy policy (E28).
    PolicyVersionId;
    /// One answer of one person to one question for consent (E22).
    ConsentId;
    /// An objection to the processing of one's data, or its restriction (LAW-05, LAW-06).
    ProcessingLimitId;
    /// A request to be erased (E24).
    DeletionId;
    /// A security incident (E25), and the breach that it may be (LAW-08).
    IncidentId;
    /// What is known of an address or a network (E26); random, so that it tells nothing of it.
    IpAddressId;
}
