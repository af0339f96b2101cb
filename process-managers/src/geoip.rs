//! What the operator's databases on this machine know of an address: where it is, whose network it is of,
//! and whether it hides who uses it (E26). Files in MaxMind's format, each of them optional; nothing is
//! asked of anybody over the network.
//!
//! What no database says is unknown, and stays so: an address that a database of anonymous addresses does
//! not list is not thereby said to be none (IPR-06).

use std::{net::IpAddr, path::PathBuf};

use agora_command_api::commands::record_external_reputation::FoundInDatabases;
use agora_domain::security::values::JsonObject;
use agora_service::geoip::{Countries, Database, Unreadable};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Where the databases are. They are read once, when the process starts.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct GeoIpArgs {
    /// Where addresses are: GeoLite2-City, GeoIP2-City or a country database
    #[arg(long, env = "AGORA_GEOIP_CITY_FILE")]
    pub geoip_city_file: Option<PathBuf>,
    /// Whose networks they are of: GeoLite2-ASN
    #[arg(long, env = "AGORA_GEOIP_ASN_FILE")]
    pub geoip_asn_file: Option<PathBuf>,
    /// Which are of VPNs, Tor and data centers: GeoIP2-Anonymous-IP
    #[arg(long, env = "AGORA_GEOIP_ANONYMOUS_FILE")]
    pub geoip_anonymous_file: Option<PathBuf>,
}

/// The databases that there are. Cheap to clone.
#[derive(Clone, Default)]
pub struct GeoIp {
    city: Option<Database>,
    asn: Option<Database>,
    anonymous: Option<Database>,
}

#[derive(Deserialize)]
struct Place {
    country: Option<Coded>,
    #[serde(default)]
    subdivisions: Vec<Coded>,
    city: Option<Named>,
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Coded {
    iso_code: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    names: Option<Names>,
}

#[derive(Deserialize)]
struct Names {
    en: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    time_zone: Option<String>,
}

#[derive(Deserialize)]
struct Asn {
    autonomous_system_number: Option<u32>,
    autonomous_system_organization: Option<String>,
}

/// What is true is there, what is false is left out; of an address that is listed.
#[derive(Deserialize)]
struct Anonymous {
    #[serde(default)]
    is_anonymous_vpn: bool,
    #[serde(default)]
    is_tor_exit_node: bool,
    #[serde(default)]
    is_hosting_provider: bool,
}

impl GeoIp {
    /// # Errors
    /// Where a file that is named cannot be read: an operator who names one wants it used.
    pub fn open(arguments: &GeoIpArgs) -> Result<Self, Unreadable> {
        Ok(Self {
            city: Database::open(arguments.geoip_city_file.as_deref())?,
            asn: Database::open(arguments.geoip_asn_file.as_deref())?,
            anonymous: Database::open(arguments.geoip_anonymous_file.as_deref())?,
        })
    }

    pub fn knows_anything(&self) -> bool {
        self.city.is_some() || self.asn.is_some() || self.anonymous.is_some()
    }

    /// What of it the security audit log is told.
    pub fn countries(&self) -> Countries {
        Countries::told_by(self.city.clone())
    }

    /// What is known of an address; none where that is nothing.
    pub fn look_up(&self, address: IpAddr) -> Option<FoundInDatabases> {
        let anonymous: Option<Anonymous> = of(self.anonymous.as_ref(), address);
        let found = FoundInDatabases {
            geolocation: of::<Place>(self.city.as_ref(), address).and_then(geolocation),
            asn_info: of::<Asn>(self.asn.as_ref(), address).and_then(asn_info),
            is_vpn: anonymous.as_ref().map(|it| it.is_anonymous_vpn),
            is_tor: anonymous.as_ref().map(|it| it.is_tor_exit_node),
            is_datacenter: anonymous.as_ref().map(|it| it.is_hosting_provider),
        };
        (found != FoundInDatabases::default()).then_some(found)
    }
}

fn of<T: for<'d> Deserialize<'d>>(database: Option<&Database>, address: IpAddr) -> Option<T> {
    database?.find(address)
}

/// As coarse as it is of use: no coordinates.
fn geolocation(place: Place) -> Option<JsonObject> {
    object([
        ("country", place.country.and_then(|it| it.iso_code).map(Value::from)),
        (
            "region",
            place.subdivisions.into_iter().next().and_then(|it| it.iso_code).map(Value::from),
        ),
        ("city", place.city.and_then(|it| it.names?.en).map(Value::from)),
        ("time_zone", place.location.and_then(|it| it.time_zone).map(Value::from)),
    ])
}

fn asn_info(asn: Asn) -> Option<JsonObject> {
    object([
        ("number", asn.autonomous_system_number.map(Value::from)),
        ("organization", asn.autonomous_system_organization.map(Value::from)),
    ])
}

fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<JsonObject> {
    let members: Map<String, Value> =
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    if members.is_empty() { None } else { JsonObject::try_from(json!(members)).ok() }
}
