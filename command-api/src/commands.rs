//! Every command: a file and a line each. A test fails where one of the two is missing.

use axum::routing::MethodRouter;

use crate::{App, Command, http, openapi};

pub mod accept_policy;
pub mod add_forensic_data;
pub mod add_organization_member;
pub mod annotate_ip;
pub mod appeal_moderation;
pub mod approve_deletion;
pub mod approve_policy;
pub mod archive_exports;
pub mod assess_impact;
pub mod assign_incident;
pub mod auto_block_ip;
pub mod blacklist_ip;
pub mod cancel_account_deletion;
pub mod cancel_export;
pub mod cast_vote;
pub mod change_display_name;
pub mod change_email;
pub mod change_password;
pub mod configure_integration;
pub mod confirm_email;
pub mod create_admin;
pub mod create_category;
pub mod create_comment;
pub mod create_community;
pub mod create_organization;
pub mod create_post;
pub mod create_report;
pub mod create_service_account;
pub mod decide_appeal;
pub mod decide_content_notice;
pub mod declare_breach;
pub mod delete_admin;
pub mod delete_comment;
pub mod delete_community;
pub mod delete_member;
pub mod delete_post;
pub mod deny_consent;
pub mod describe_category;
pub mod describe_configuration;
pub mod disable_integration;
pub mod draft_policy;
pub mod edit_comment;
pub mod edit_policy_draft;
pub mod edit_post;
pub mod enable_integration;
pub mod escalate_incident;
pub mod extend_deletion_deadline;
pub mod extend_export_deadline;
pub mod forget_guest;
pub mod grant_admin_scope;
pub mod grant_consent;
pub mod hide_export;
pub mod import_consent;
pub mod join_community;
pub mod leave_community;
pub mod lift_auto_block;
pub mod lift_restriction;
pub mod log_in;
pub mod log_out;
pub mod mark_export_completed;
pub mod mark_export_failed;
pub mod mark_export_processing;
pub mod mark_false_positive;
pub mod mark_member_for_deletion;
pub mod mark_policy_notified;
pub mod notify_recipient;
pub mod object_to_processing;
pub mod publish_policy;
pub mod purge_expired_exports;
pub mod record_breach_notification;
pub mod record_export_download;
pub mod record_external_reputation;
pub mod record_guest_visit;
pub mod record_incident_activity;
pub mod record_integration_sync;
pub mod record_mitigation;
pub mod register_integration;
pub mod register_member;
pub mod reinstate_admin;
pub mod reinstate_member;
pub mod reject_deletion;
pub mod remove_configuration;
pub mod remove_from_blacklist;
pub mod remove_from_whitelist;
pub mod remove_integration;
pub mod remove_organization_member;
pub mod reorder_categories;
pub mod report_content;
pub mod report_incident;
pub mod report_integration_error;
pub mod request_account_deletion;
pub mod request_batch_export;
pub mod request_deletion;
pub mod request_export;
pub mod request_password_reset;
pub mod request_policy_changes;
pub mod reset_password;
pub mod resolve_incident;
pub mod restore_comment;
pub mod restore_community;
pub mod restore_post;
pub mod restrict_processing;
pub mod retire_admin;
pub mod retire_category;
pub mod revise_report;
pub mod revoke_admin_scope;
pub mod revoke_all_sessions;
pub mod revoke_everybodys_sessions;
pub mod revoke_service_account_key;
pub mod revoke_session;
pub mod rotate_service_account_key;
pub mod set_community_rules;
pub mod set_configuration;
pub mod start_deletion_review;
pub mod start_investigation;
pub mod start_password_reset;
pub mod submit_policy;
pub mod submit_report;
pub mod suspend_admin;
pub mod suspend_member;
pub mod update_backup_erasure;
pub mod update_community;
pub mod verify_deletion_identity;
pub mod visit_community;
pub mod whitelist_ip;
pub mod withdraw_consent;
pub mod withdraw_deletion_request;
pub mod withdraw_objection;
pub mod withdraw_restriction;

/// A command as the router and the OpenAPI document see it.
pub struct Registered {
    pub name: &'static str,
    pub route: fn() -> MethodRouter<App>,
    pub describe: fn() -> openapi::Described,
}

fn command<C: Command>() -> Registered {
    Registered { name: C::NAME, route: http::route::<C>, describe: openapi::describe::<C> }
}

/// The registry.
pub fn all() -> Vec<Registered> {
    vec![
        command::<add_organization_member::AddOrganizationMember>(),
        command::<appeal_moderation::AppealModeration>(),
        command::<cancel_account_deletion::CancelAccountDeletion>(),
        command::<cast_vote::CastVote>(),
        command::<change_display_name::ChangeDisplayName>(),
        command::<change_email::ChangeEmail>(),
        command::<change_password::ChangePassword>(),
        command::<confirm_email::ConfirmEmail>(),
        command::<configure_integration::ConfigureIntegration>(),
        command::<create_admin::CreateAdmin>(),
        command::<create_category::CreateCategory>(),
        command::<create_comment::CreateComment>(),
        command::<create_community::CreateCommunity>(),
        command::<create_organization::CreateOrganization>(),
        command::<create_post::CreatePost>(),
        command::<create_report::CreateReport>(),
        command::<decide_appeal::DecideAppeal>(),
        command::<create_service_account::CreateServiceAccount>(),
        command::<delete_admin::DeleteAdmin>(),
        command::<delete_comment::DeleteComment>(),
        command::<delete_community::DeleteCommunity>(),
        command::<delete_member::DeleteMember>(),
        command::<delete_post::DeletePost>(),
        command::<describe_category::DescribeCategory>(),
        command::<describe_configuration::DescribeConfiguration>(),
        command::<disable_integration::DisableIntegration>(),
        command::<edit_comment::EditComment>(),
        command::<edit_post::EditPost>(),
        command::<forget_guest::ForgetGuest>(),
        command::<enable_integration::EnableIntegration>(),
        command::<grant_admin_scope::GrantAdminScope>(),
        command::<join_community::JoinCommunity>(),
        command::<leave_community::LeaveCommunity>(),
        command::<log_in::LogIn>(),
        command::<log_out::LogOut>(),
        command::<record_guest_visit::RecordGuestVisit>(),
        command::<mark_member_for_deletion::MarkMemberForDeletion>(),
        command::<record_integration_sync::RecordIntegrationSync>(),
        command::<register_integration::RegisterIntegration>(),
        command::<register_member::RegisterMember>(),
        command::<reinstate_admin::ReinstateAdmin>(),
        command::<reinstate_member::ReinstateMember>(),
        command::<remove_configuration::RemoveConfiguration>(),
        command::<remove_integration::RemoveIntegration>(),
        command::<remove_organization_member::RemoveOrganizationMember>(),
        command::<reorder_categories::ReorderCategories>(),
        command::<request_account_deletion::RequestAccountDeletion>(),
        command::<request_password_reset::RequestPasswordReset>(),
        command::<reset_password::ResetPassword>(),
        command::<report_integration_error::ReportIntegrationError>(),
        command::<restore_comment::RestoreComment>(),
        command::<restore_community::RestoreCommunity>(),
        command::<restore_post::RestorePost>(),
        command::<retire_admin::RetireAdmin>(),
        command::<retire_category::RetireCategory>(),
        command::<revise_report::ReviseReport>(),
        command::<revoke_admin_scope::RevokeAdminScope>(),
        command::<revoke_all_sessions::RevokeAllSessions>(),
        command::<revoke_everybodys_sessions::RevokeEverybodysSessions>(),
        command::<revoke_session::RevokeSession>(),
        command::<revoke_service_account_key::RevokeServiceAccountKey>(),
        command::<rotate_service_account_key::RotateServiceAccountKey>(),
        command::<set_community_rules::SetCommunityRules>(),
        command::<set_configuration::SetConfiguration>(),
        command::<start_password_reset::StartPasswordReset>(),
        command::<submit_report::SubmitReport>(),
        command::<suspend_admin::SuspendAdmin>(),
        command::<suspend_member::SuspendMember>(),
        command::<update_community::UpdateCommunity>(),
        command::<visit_community::VisitCommunity>(),
        command::<request_export::RequestExport>(),
        command::<request_batch_export::RequestBatchExport>(),
        command::<record_export_download::RecordExportDownload>(),
        command::<purge_expired_exports::PurgeExpiredExports>(),
        command::<mark_export_processing::MarkExportProcessing>(),
        command::<mark_export_failed::MarkExportFailed>(),
        command::<mark_export_completed::MarkExportCompleted>(),
        command::<hide_export::HideExport>(),
        command::<extend_export_deadline::ExtendExportDeadline>(),
        command::<cancel_export::CancelExport>(),
        command::<archive_exports::ArchiveExports>(),
        command::<approve_deletion::ApproveDeletion>(),
        command::<extend_deletion_deadline::ExtendDeletionDeadline>(),
        command::<notify_recipient::NotifyRecipient>(),
        command::<reject_deletion::RejectDeletion>(),
        command::<request_deletion::RequestDeletion>(),
        command::<start_deletion_review::StartDeletionReview>(),
        command::<update_backup_erasure::UpdateBackupErasure>(),
        command::<verify_deletion_identity::VerifyDeletionIdentity>(),
        command::<withdraw_deletion_request::WithdrawDeletionRequest>(),
        command::<accept_policy::AcceptPolicy>(),
        command::<approve_policy::ApprovePolicy>(),
        command::<deny_consent::DenyConsent>(),
        command::<draft_policy::DraftPolicy>(),
        command::<edit_policy_draft::EditPolicyDraft>(),
        command::<grant_consent::GrantConsent>(),
        command::<import_consent::ImportConsent>(),
        command::<mark_policy_notified::MarkPolicyNotified>(),
        command::<publish_policy::PublishPolicy>(),
        command::<request_policy_changes::RequestPolicyChanges>(),
        command::<submit_policy::SubmitPolicy>(),
        command::<withdraw_consent::WithdrawConsent>(),
        command::<report_content::ReportContent>(),
        command::<decide_content_notice::DecideContentNotice>(),
        command::<withdraw_restriction::WithdrawRestriction>(),
        command::<withdraw_objection::WithdrawObjection>(),
        command::<restrict_processing::RestrictProcessing>(),
        command::<object_to_processing::ObjectToProcessing>(),
        command::<lift_restriction::LiftRestriction>(),
        command::<report_incident::ReportIncident>(),
        command::<record_incident_activity::RecordIncidentActivity>(),
        command::<start_investigation::StartInvestigation>(),
        command::<assign_incident::AssignIncident>(),
        command::<record_mitigation::RecordMitigation>(),
        command::<escalate_incident::EscalateIncident>(),
        command::<resolve_incident::ResolveIncident>(),
        command::<mark_false_positive::MarkFalsePositive>(),
        command::<add_forensic_data::AddForensicData>(),
        command::<assess_impact::AssessImpact>(),
        command::<declare_breach::DeclareBreach>(),
        command::<record_breach_notification::RecordBreachNotification>(),
        command::<whitelist_ip::WhitelistIp>(),
        command::<remove_from_whitelist::RemoveFromWhitelist>(),
        command::<blacklist_ip::BlacklistIp>(),
        command::<remove_from_blacklist::RemoveFromBlacklist>(),
        command::<auto_block_ip::AutoBlockIp>(),
        command::<lift_auto_block::LiftAutoBlock>(),
        command::<annotate_ip::AnnotateIp>(),
        command::<record_external_reputation::RecordExternalReputation>(),
    ]
}
