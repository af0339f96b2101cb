//! The routes: a line each. A route's handler holds its query; who may read it stands in
//! [`agora_domain::permissions::MATRIX`].

pub mod appeals;
pub mod audit_events;
pub mod audit_exports;
pub mod audit_log;
pub mod audit_streams;
pub mod breaches;
pub mod categories;
pub mod comment_lists;
pub mod comments;
pub mod communities;
pub mod community_posts;
pub mod community_rules;
pub mod community_rules_history;
pub mod configuration;
pub mod consent_check;
pub mod consent_receipt;
pub mod consents;
pub mod content_notices;
pub mod data_deletion_requests;
pub mod data_export_logs;
pub mod data_export_requests;
pub mod erasure_certificates;
pub mod export_download;
pub mod export_queue;
pub mod export_quota;
pub mod exports;
pub mod feeds;
pub mod guest_conversions;
pub mod guests;
pub mod incidents;
pub mod integrations;
pub mod ip_reputation;
pub mod live;
pub mod me;
pub mod moderation_log;
pub mod my_communities;
pub mod my_credential;
pub mod my_feed;
pub mod my_sessions;
pub mod my_votes;
pub mod organizations;
pub mod policies;
pub mod posts;
pub mod processing_limits;
pub mod processing_records;
pub mod reports;
pub mod search;
pub mod search_logs;
pub mod security_audit_integrity;
pub mod security_audit_logs;
pub mod service_accounts;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{app::Shared, http::Routes};

/// The routes that are to go (ESX-14), by path.
pub const DEPRECATED: Routes = &[];

pub fn all() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(categories::list))
        .routes(routes!(communities::list))
        .routes(routes!(communities::show))
        .routes(routes!(community_posts::list))
        .routes(routes!(community_rules::list))
        .routes(routes!(community_rules_history::list))
        .routes(routes!(posts::show))
        .routes(routes!(posts::score))
        .routes(routes!(audit_streams::post_history))
        .routes(routes!(audit_streams::comment_history))
        .routes(routes!(comment_lists::threads))
        .routes(routes!(comment_lists::all))
        .routes(routes!(comments::show))
        .routes(routes!(comment_lists::replies))
        .routes(routes!(configuration::public))
        .routes(routes!(configuration::list))
        .routes(routes!(configuration::show))
        .routes(routes!(audit_streams::configuration_history))
        .routes(routes!(integrations::list))
        .routes(routes!(integrations::show))
        .routes(routes!(audit_streams::integration_history))
        .routes(routes!(me::show))
        .routes(routes!(my_credential::show))
        .routes(routes!(my_communities::memberships))
        .routes(routes!(my_communities::recent))
        .routes(routes!(my_feed::list))
        .routes(routes!(my_sessions::list))
        .routes(routes!(my_votes::list))
        .routes(routes!(moderation_log::of_community))
        .routes(routes!(moderation_log::notices))
        .routes(routes!(moderation_log::all))
        .routes(routes!(appeals::list))
        .routes(routes!(content_notices::list))
        .routes(routes!(my_votes::on_comments))
        .routes(routes!(search::communities::list))
        .routes(routes!(search::posts::list))
        .routes(routes!(search::comments::list))
        .routes(routes!(search_logs::own))
        .routes(routes!(search_logs::list))
        .routes(routes!(search_logs::trends))
        .routes(routes!(guests::list))
        .routes(routes!(service_accounts::list))
        .routes(routes!(guest_conversions::list))
        .routes(routes!(organizations::list))
        .routes(routes!(organizations::members))
        .routes(routes!(reports::list))
        .routes(routes!(reports::show))
        .routes(routes!(policies::list))
        .routes(routes!(policies::current))
        .routes(routes!(policies::show))
        .routes(routes!(policies::acceptances))
        .routes(routes!(consents::list))
        .routes(routes!(consent_check::show))
        .routes(routes!(consents::show))
        .routes(routes!(consent_receipt::show))
        .routes(routes!(processing_limits::objections))
        .routes(routes!(processing_limits::restrictions))
        .routes(routes!(live::post))
        .routes(routes!(live::community))
        .routes(routes!(live::me))
        .routes(routes!(export_download::show))
        .routes(routes!(processing_records::show))
        .routes(routes!(exports::list))
        .routes(routes!(exports::show))
        .routes(routes!(export_quota::show))
        .routes(routes!(export_queue::list))
        .routes(routes!(data_deletion_requests::list))
        .routes(routes!(data_deletion_requests::show))
        .routes(routes!(data_deletion_requests::retained))
        .routes(routes!(erasure_certificates::show))
        .routes(routes!(erasure_certificates::keys))
        .routes(routes!(data_export_requests::list))
        .routes(routes!(data_export_requests::show))
        .routes(routes!(data_export_logs::list))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::show))
        .routes(routes!(breaches::list))
        .routes(routes!(ip_reputation::list))
        .routes(routes!(ip_reputation::show))
        .routes(routes!(audit_log::list))
        .routes(routes!(audit_exports::list))
        .routes(routes!(audit_events::stream))
        .routes(routes!(audit_streams::show))
        .routes(routes!(security_audit_logs::list))
        .routes(routes!(security_audit_logs::export))
        .routes(routes!(security_audit_integrity::show))
        .routes(routes!(security_audit_logs::show))
}
