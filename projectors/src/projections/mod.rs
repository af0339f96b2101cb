//! The registry of projections: one file and one line each.

use crate::projection::Projection;

mod admins;
mod audit_log;
mod breaches;
mod bufdir_export_logs;
mod bufdir_reports;
mod categories;
mod comment_scores;
mod comment_search;
mod comment_votes;
mod comments;
mod communities;
mod community_rules;
mod community_search;
mod configurations;
mod consents;
mod content_notices;
mod credentials;
mod data_deletion_requests;
mod data_export_logs;
mod data_export_requests;
mod guest_conversion_counts;
mod guests;
mod integrations;
mod ip_reputation;
mod members;
mod memberships;
mod moderation_appeals;
mod moderation_log;
mod organization_memberships;
mod organizations;
mod policy_acceptances;
mod policy_versions;
mod post_scores;
mod post_search;
mod post_votes;
mod posts;
mod processing_limits;
mod recent_communities;
mod security_incidents;
mod service_accounts;
mod sessions;

/// Every projection, by name.
pub const ALL: &[&Projection] = &[
    &admins::PROJECTION,
    &audit_log::PROJECTION,
    &breaches::PROJECTION,
    &bufdir_export_logs::PROJECTION,
    &bufdir_reports::PROJECTION,
    &categories::PROJECTION,
    &comment_scores::PROJECTION,
    &comment_search::PROJECTION,
    &comment_votes::PROJECTION,
    &comments::PROJECTION,
    &communities::PROJECTION,
    &community_rules::PROJECTION,
    &community_search::PROJECTION,
    &configurations::PROJECTION,
    &consents::PROJECTION,
    &content_notices::PROJECTION,
    &credentials::PROJECTION,
    &data_deletion_requests::PROJECTION,
    &data_export_logs::PROJECTION,
    &data_export_requests::PROJECTION,
    &guest_conversion_counts::PROJECTION,
    &guests::PROJECTION,
    &integrations::PROJECTION,
    &ip_reputation::PROJECTION,
    &members::PROJECTION,
    &memberships::PROJECTION,
    &moderation_appeals::PROJECTION,
    &moderation_log::PROJECTION,
    &organization_memberships::PROJECTION,
    &organizations::PROJECTION,
    &policy_acceptances::PROJECTION,
    &policy_versions::PROJECTION,
    &post_scores::PROJECTION,
    &post_search::PROJECTION,
    &post_votes::PROJECTION,
    &posts::PROJECTION,
    &processing_limits::PROJECTION,
    &recent_communities::PROJECTION,
    &security_incidents::PROJECTION,
    &service_accounts::PROJECTION,
    &sessions::PROJECTION,
];

pub fn find(name: &str) -> Option<&'static Projection> {
    ALL.iter().copied().find(|projection| projection.name == name)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, fs, path::Path};

    use agora_domain::registry::AGGREGATES;

    use super::*;

    #[test]
    fn every_file_has_its_line_in_the_registry() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/projections");
        let mut files: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|stem| stem != "mod")
            .collect();
        files.sort();
        let names: Vec<_> = ALL.iter().map(|projection| projection.name).collect();
        assert_eq!(files, names, "a file in projections/ is a line in ALL, by name");
    }

    #[test]
    fn every_table_has_one_owner() {
        let mut owned = HashSet::new();
        for projection in ALL {
            for table in projection.tables {
                assert!(owned.insert(table), "{table} belongs to two projections");
            }
        }
    }

    #[test]
    fn every_wanted_event_type_exists_in_one_aggregate() {
        for wanted in ALL.iter().flat_map(|projection| projection.event_types) {
            let aggregates = AGGREGATES
                .iter()
                .filter(|aggregate| aggregate.events.iter().any(|(name, _)| name == wanted))
                .count();
            assert_eq!(aggregates, 1, "{wanted}");
        }
    }
}
