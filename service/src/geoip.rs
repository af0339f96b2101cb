//! Databases in MaxMind's format, on this machine: what an operator has of addresses. Nothing is asked of
//! anybody over the network, and what no database says is unknown and stays so.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use maxminddb::{MaxMindDbError, Reader};
use serde::Deserialize;

/// A database, held in memory. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Reader<Vec<u8>>>);

/// A database that is named and cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path} is no database of addresses: {cause}")]
pub struct Unreadable {
    path: String,
    cause: MaxMindDbError,
}

impl Database {
    /// None where none is named.
    ///
    /// # Errors
    /// Where a file that is named cannot be read: an operator who names one wants it used.
    pub fn open(path: Option<&Path>) -> Result<Option<Self>, Unreadable> {
        let Some(path) = path.filter(|path| !path.as_os_str().is_empty()) else { return Ok(None) };
        let unreadable = |cause| Unreadable { path: path.display().to_string(), cause };
        Reader::open_readfile(path).map(|reader| Some(Self(Arc::new(reader)))).map_err(unreadable)
    }

    /// None also where the database is of another kind of addresses, or its record of another form.
    pub fn find<T: for<'d> Deserialize<'d>>(&self, address: IpAddr) -> Option<T> {
        self.0.lookup(address).ok()?.decode().ok()?
    }
}

/// Where the database of places is.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct CountriesArgs {
    /// In which country addresses are, for the security audit log: GeoLite2-Country, or any database that
    /// tells countries. It is held in memory
    #[arg(long, env = "AGORA_GEOIP_CITY_FILE")]
    pub geoip_city_file: Option<PathBuf>,
}

/// In which country an address is. Without a database it is unknown of each.
#[derive(Clone, Default)]
pub struct Countries(Option<Database>);

#[derive(Deserialize)]
struct Place {
    country: Option<Country>,
}

#[derive(Deserialize)]
struct Country {
    iso_code: Option<String>,
}

impl Countries {
    /// # Errors
    /// As [`Database::open`].
    pub fn open(arguments: &CountriesArgs) -> Result<Self, Unreadable> {
        Database::open(arguments.geoip_city_file.as_deref()).map(Self)
    }

    /// Those that a database that is open already tells.
    pub const fn told_by(database: Option<Database>) -> Self {
        Self(database)
    }

    /// Two letters, as ISO 3166 has them.
    pub fn of(&self, address: IpAddr) -> Option<String> {
        let place: Place = self.0.as_ref()?.find(address.to_canonical())?;
        let is_code =
            |code: &String| code.len() == 2 && code.bytes().all(|it| it.is_ascii_uppercase());
        place.country?.iso_code.filter(is_code)
    }
}
