//! Where an integration's provider is: looked up before its address is stored (INT-06).

use std::{net::IpAddr, time::Duration};

use agora_domain::{
    PersonalCategory, Subject,
    ids::IntegrationId,
    personal::Personal,
    site::{
        integration::SealedConfig,
        integration_values::{ConfigJson, ProviderUrl},
        public_address::is_public,
        settings,
    },
    values::URI_CHARACTERS_DEFAULT,
};
use agora_service::problem::Problem;
use tokio::{net::lookup_host, time::timeout};

use crate::{decision::Decision, refusal::CommandError};

/// How long a name may take to be looked up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Refuses a name that stands for an address which is not of the public internet.
///
/// A name that nobody has is taken: it may be there tomorrow, and what it stands for may change at
/// any time. So whoever connects has to look, and refuse, again; this is the early word. Where no
/// answer comes in time, nothing is known and nothing is taken.
pub async fn check(url: &ProviderUrl) -> Result<(), Problem> {
    let Some((name, port)) = url.name_and_port() else { return Ok(()) };
    match timeout(PATIENCE, lookup_host((name, port))).await {
        Ok(Ok(addresses)) => refuse_private(addresses.map(|address| address.ip())),
        Ok(Err(_)) => Ok(()),
        Err(_) => {
            Err(Problem::unavailable("The name in `provider_url` could not be looked up in time.")
                .with_rule("INT-06"))
        }
    }
}

fn refuse_private(mut addresses: impl Iterator<Item = IpAddr>) -> Result<(), Problem> {
    if addresses.all(is_public) {
        return Ok(());
    }
    let detail = "`provider_url` names a host that is not on the public internet.";
    Err(Problem::rule_broken("INT-06", detail))
}

/// Refuses an address that is longer than the configuration allows (K28).
pub async fn fits(decision: &mut Decision<'_>, url: &ProviderUrl) -> Result<(), CommandError> {
    let most = decision.number(&settings::MAX_URI_LENGTH).await?;
    let most = most.unwrap_or(URI_CHARACTERS_DEFAULT);
    if url.as_str().chars().count() > most {
        let detail = format!("`provider_url` must be at most {most} characters.");
        return Err(Problem::rule_broken("INT-06", detail).into());
    }
    Ok(())
}

/// Settings, to be sealed under the integration's own keys: `credential` is shown by no API.
pub fn sealed(integration_id: IntegrationId, config: &ConfigJson) -> SealedConfig {
    let subject = Subject::from(integration_id.0);
    SealedConfig {
        masked_config: Personal::new(subject.clone(), PersonalCategory::Content, config.masked()),
        config_json: Personal::new(subject, PersonalCategory::Credential, config.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int_06_one_private_address_among_public_ones_is_enough() {
        let of = |texts: &[&str]| {
            refuse_private(texts.iter().map(|text| text.parse::<IpAddr>().unwrap())).is_ok()
        };
        assert!(of(&["1.1.1.1", "2606:4700::1111"]));
        assert!(!of(&["1.1.1.1", "127.0.0.1"]));
        assert!(!of(&["::ffff:10.0.0.1"]));
        assert!(of(&[]), "nothing was found");
    }

    #[tokio::test]
    async fn int_06_a_name_that_is_not_there_is_taken() {
        let url: ProviderUrl = "https://nobody-is-here.example.invalid.com/".parse().unwrap();
        assert!(check(&url).await.is_ok());
    }
}
