//! Every aggregate with its event types: one line an aggregate. Tests that walk all events (stored
//! fixtures, upcasting) and the relay's subjects go by this list.

use cqrs_es::Aggregate;

use crate::{
    community::{
        category::{Category, CategoryEvent},
        category_order::{CategoryOrder, CategoryOrderEvent},
        community::{Community, CommunityEvent},
        community_rules::{CommunityRules, CommunityRulesEvent},
        membership::{Membership, MembershipEvent},
        recent_communities::{RecentCommunities, RecentCommunitiesEvent},
    },
    compliance::{
        consent::{Consent, ConsentEvent},
        deletion_request::{DeletionRequest, DeletionRequestEvent},
        policy_acceptance::{PolicyAcceptance, PolicyAcceptanceEvent},
        policy_series::{PolicySeries, PolicySeriesEvent},
        policy_version::{PolicyVersion, PolicyVersionEvent},
        processing_limit::{ProcessingLimit, ProcessingLimitEvent},
        subject_erasures::{SubjectErasures, SubjectErasuresEvent},
        subject_key::{SubjectKey, SubjectKeyEvent},
    },
    content::{
        comment::{Comment, CommentEvent},
        comment_vote::{CommentVote, CommentVoteEvent},
        content_notice::{ContentNotice, ContentNoticeEvent},
        moderation_appeal::{ModerationAppeal, ModerationAppealEvent},
        post::{Post, PostEvent},
        post_vote::{PostVote, PostVoteEvent},
    },
    exports::{
        bufdir_report::{BufdirReport, BufdirReportEvent},
        export_downloads::{ExportDownloads, ExportDownloadsEvent},
        export_job::{ExportJob, ExportJobEvent},
        export_quota::{ExportQuota, ExportQuotaEvent},
        organization::{Organization, OrganizationEvent},
        organization_membership::{OrganizationMembership, OrganizationMembershipEvent},
        subject_exports::{SubjectExports, SubjectExportsEvent},
    },
    identity::{
        admin::{Admin, AdminEvent},
        admin_roster::{AdminRoster, AdminRosterEvent},
        credential::{Credential, CredentialEvent},
        guest::{Guest, GuestEvent},
        member::{Member, MemberEvent},
        password_reset::{PasswordReset, PasswordResetEvent},
        principal_sessions::{PrincipalSessions, PrincipalSessionsEvent},
        service_account::{ServiceAccount, ServiceAccountEvent},
        session::{Session, SessionEvent},
        session_era::{SessionEra, SessionEraEvent},
    },
    security::{
        breach::{Breach, BreachEvent},
        incident::{Incident, IncidentEvent},
        ip_address::{IpAddress, IpAddressEvent},
    },
    site::{
        configuration::{Configuration, ConfigurationEvent},
        integration::{Integration, IntegrationEvent},
    },
};

/// An aggregate's name as stored, and the name and current version of each of its events.
pub struct AggregateTypes {
    pub aggregate_type: &'static str,
    pub events: &'static [(&'static str, &'static str)],
}

pub const AGGREGATES: &[AggregateTypes] = &[
    AggregateTypes { aggregate_type: Credential::TYPE, events: CredentialEvent::TYPES },
    AggregateTypes { aggregate_type: PasswordReset::TYPE, events: PasswordResetEvent::TYPES },
    AggregateTypes { aggregate_type: Member::TYPE, events: MemberEvent::TYPES },
    AggregateTypes { aggregate_type: Admin::TYPE, events: AdminEvent::TYPES },
    AggregateTypes { aggregate_type: AdminRoster::TYPE, events: AdminRosterEvent::TYPES },
    AggregateTypes { aggregate_type: ServiceAccount::TYPE, events: ServiceAccountEvent::TYPES },
    AggregateTypes { aggregate_type: Guest::TYPE, events: GuestEvent::TYPES },
    AggregateTypes { aggregate_type: Session::TYPE, events: SessionEvent::TYPES },
    AggregateTypes { aggregate_type: SessionEra::TYPE, events: SessionEraEvent::TYPES },
    AggregateTypes {
        aggregate_type: PrincipalSessions::TYPE,
        events: PrincipalSessionsEvent::TYPES,
    },
    AggregateTypes { aggregate_type: Category::TYPE, events: CategoryEvent::TYPES },
    AggregateTypes { aggregate_type: CategoryOrder::TYPE, events: CategoryOrderEvent::TYPES },
    AggregateTypes { aggregate_type: Community::TYPE, events: CommunityEvent::TYPES },
    AggregateTypes { aggregate_type: CommunityRules::TYPE, events: CommunityRulesEvent::TYPES },
    AggregateTypes { aggregate_type: Membership::TYPE, events: MembershipEvent::TYPES },
    AggregateTypes {
        aggregate_type: RecentCommunities::TYPE,
        events: RecentCommunitiesEvent::TYPES,
    },
    AggregateTypes { aggregate_type: Post::TYPE, events: PostEvent::TYPES },
    AggregateTypes { aggregate_type: PostVote::TYPE, events: PostVoteEvent::TYPES },
    AggregateTypes { aggregate_type: Comment::TYPE, events: CommentEvent::TYPES },
    AggregateTypes { aggregate_type: CommentVote::TYPE, events: CommentVoteEvent::TYPES },
    AggregateTypes { aggregate_type: ContentNotice::TYPE, events: ContentNoticeEvent::TYPES },
    AggregateTypes { aggregate_type: ModerationAppeal::TYPE, events: ModerationAppealEvent::TYPES },
    AggregateTypes { aggregate_type: Configuration::TYPE, events: ConfigurationEvent::TYPES },
    AggregateTypes { aggregate_type: Integration::TYPE, events: IntegrationEvent::TYPES },
    AggregateTypes { aggregate_type: Organization::TYPE, events: OrganizationEvent::TYPES },
    AggregateTypes {
        aggregate_type: OrganizationMembership::TYPE,
        events: OrganizationMembershipEvent::TYPES,
    },
    AggregateTypes { aggregate_type: BufdirReport::TYPE, events: BufdirReportEvent::TYPES },
    AggregateTypes { aggregate_type: ExportJob::TYPE, events: ExportJobEvent::TYPES },
    AggregateTypes { aggregate_type: ExportDownloads::TYPE, events: ExportDownloadsEvent::TYPES },
    AggregateTypes { aggregate_type: ExportQuota::TYPE, events: ExportQuotaEvent::TYPES },
    AggregateTypes { aggregate_type: SubjectExports::TYPE, events: SubjectExportsEvent::TYPES },
    AggregateTypes { aggregate_type: PolicyVersion::TYPE, events: PolicyVersionEvent::TYPES },
    AggregateTypes { aggregate_type: PolicySeries::TYPE, events: PolicySeriesEvent::TYPES },
    AggregateTypes { aggregate_type: PolicyAcceptance::TYPE, events: PolicyAcceptanceEvent::TYPES },
    AggregateTypes { aggregate_type: Consent::TYPE, events: ConsentEvent::TYPES },
    AggregateTypes { aggregate_type: ProcessingLimit::TYPE, events: ProcessingLimitEvent::TYPES },
    AggregateTypes { aggregate_type: DeletionRequest::TYPE, events: DeletionRequestEvent::TYPES },
    AggregateTypes { aggregate_type: SubjectErasures::TYPE, events: SubjectErasuresEvent::TYPES },
    AggregateTypes { aggregate_type: SubjectKey::TYPE, events: SubjectKeyEvent::TYPES },
    AggregateTypes { aggregate_type: Incident::TYPE, events: IncidentEvent::TYPES },
    AggregateTypes { aggregate_type: Breach::TYPE, events: BreachEvent::TYPES },
    AggregateTypes { aggregate_type: IpAddress::TYPE, events: IpAddressEvent::TYPES },
];
