//! `record-external-reputation`: what others say of an address.

use agora_domain::security::{
    ip_address::{Act, ExternalReport},
    network::Network,
    reputation::{Score, SourceName},
    values::JsonObject,
};
use agora_service::problem::Problem;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    Command, addresses,
    decision::{Decision, Done},
    execute::Caller,
    fields::{Field, Flag, Whole, WrongFields},
    incidents,
    refusal::CommandError,
};

/// Records it.
pub struct RecordExternalReputation {
    address: Network,
    source: Option<SourceName>,
    score: Option<Score>,
    hundred_is_worst: bool,
    geolocation: Option<JsonObject>,
    asn_info: Option<JsonObject>,
    is_vpn: Option<Option<bool>>,
    is_tor: Option<Option<bool>>,
    is_datacenter: Option<Option<bool>>,
}

/// What databases on this machine say of an address.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FoundInDatabases {
    pub geolocation: Option<JsonObject>,
    pub asn_info: Option<JsonObject>,
    pub is_vpn: Option<bool>,
    pub is_tor: Option<bool>,
    pub is_datacenter: Option<bool>,
}

impl RecordExternalReputation {
    /// As the platform sends it by itself.
    pub fn of_databases(address: Network, found: FoundInDatabases) -> Self {
        Self {
            address,
            source: None,
            score: None,
            hundred_is_worst: false,
            geolocation: found.geolocation,
            asn_info: found.asn_info,
            is_vpn: found.is_vpn.map(Some),
            is_tor: found.is_tor.map(Some),
            is_datacenter: found.is_datacenter.map(Some),
        }
    }
}

/// The body of `record-external-reputation`.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordExternalReputationBody {
    /// An address, an IPv4 /24 or an IPv6 /64.
    #[schema(value_type = String, required, example = "203.0.113.9", format = "ip-network")]
    #[serde(default)]
    address: Field<Network>,
    /// With `score`: who says so.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 32,
             pattern = "^[a-z0-9_-]+$")]
    #[serde(default)]
    source: Field<SourceName>,
    /// 0 is worst, 100 is best; unless `hundred_is_worst`.
    #[schema(value_type = Option<u8>, minimum = 0, maximum = 100)]
    #[serde(default)]
    score: Field<Whole<Score>>,
    /// The source counts the other way, as AbuseIPDB does.
    #[schema(value_type = Option<bool>, default = false)]
    #[serde(default)]
    hundred_is_worst: Field<Flag>,
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    geolocation: Option<Value>,
    #[schema(value_type = Option<Object>)]
    #[serde(default)]
    asn_info: Option<Value>,
    /// Null: unknown.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    is_vpn: Field<Flag>,
    /// Null: unknown.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    is_tor: Field<Flag>,
    /// Null: unknown.
    #[schema(value_type = Option<bool>)]
    #[serde(default)]
    is_datacenter: Field<Flag>,
}

impl Command for RecordExternalReputation {
    const NAME: &'static str = "record-external-reputation";
    const SUMMARY: &'static str =
        "Record what an outside source says of an address; what it does not say stays as it is";
    const RULES: &'static [&'static str] =
        &["IPR-02", "IPR-06", "IPR-14", "IPR-05", "REL-10", "ROL-01", "ESX-03", "ESX-04"];
    type Body = RecordExternalReputationBody;

    fn parse(body: RecordExternalReputationBody, wrong: &mut WrongFields) -> Option<Self> {
        let address = wrong.required("/address", body.address);
        let source = wrong.optional("/source", body.source);
        let score = wrong.optional("/score", body.score).map(|it| it.map(|score| score.0));
        let hundred_is_worst = wrong
            .optional("/hundred_is_worst", body.hundred_is_worst)
            .map(|it| it.is_some_and(|flag| flag.0));
        let geolocation = incidents::object(body.geolocation, "/geolocation", wrong);
        let asn_info = incidents::object(body.asn_info, "/asn_info", wrong);
        let is_vpn =
            wrong.change("/is_vpn", body.is_vpn).map(|it| it.map(|flag| flag.map(|flag| flag.0)));
        let is_tor =
            wrong.change("/is_tor", body.is_tor).map(|it| it.map(|flag| flag.map(|flag| flag.0)));
        let is_datacenter = wrong
            .change("/is_datacenter", body.is_datacenter)
            .map(|it| it.map(|flag| flag.map(|flag| flag.0)));
        Some(Self {
            address: address?,
            source: source?,
            score: score?,
            hundred_is_worst: hundred_is_worst?,
            geolocation: geolocation?,
            asn_info: asn_info?,
            is_vpn: is_vpn?,
            is_tor: is_tor?,
            is_datacenter: is_datacenter?,
        })
    }

    fn queue(&self, _: &Caller) -> Option<String> {
        Some(addresses::queue(self.address))
    }

    async fn decide(&self, decision: &mut Decision<'_>) -> Result<Done, CommandError> {
        if self.source.is_some() != self.score.is_some() {
            let detail = "A score is of a source: both are there, or none.";
            return Err(Problem::rule_broken("IPR-14", detail).into());
        }
        let score = self.source.clone().zip(self.score).map(|(source, score)| {
            (source, if self.hundred_is_worst { score.reversed() } else { score })
        });
        addresses::act(decision, self.address, |id| {
            let object = |it: &Option<JsonObject>| it.clone().map(|it| addresses::personal(id, it));
            Act::RecordExternal(ExternalReport {
                score,
                geolocation: object(&self.geolocation),
                asn_info: object(&self.asn_info),
                is_vpn: self.is_vpn,
                is_tor: self.is_tor,
                is_datacenter: self.is_datacenter,
            })
        })
        .await
    }

    fn example() -> Value {
        json!({"address": "203.0.113.9", "source": "abuseipdb", "score": 90, "hundred_is_worst": true, "is_tor": true})
    }
}
