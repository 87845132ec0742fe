//! [`Geo`]: countries and autonomous systems of clients' networks, from databases in MaxMind's format.
//!
//! Looked up by the watch over storms alone, for the exchanges in a sample: a few thousand times a second at the most,
//! some microseconds each. The data plane does not wait for it.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use maxminddb::{MaxMindDbError, PathElement, Reader, WithinOptions, path};
use seawall_storm::{Locality, Seen};

/// The databases that were configured, in memory.
pub(crate) struct Geo(Vec<Database>);

struct Database {
    reader: Reader<Vec<u8>>,
    /// Whether its records have countries.
    has_countries: bool,
    has_systems: bool,
}

impl Geo {
    /// Reads the databases into memory.
    ///
    /// # Errors
    ///
    /// Every file that cannot be read, is no such database, or has neither countries nor autonomous systems.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Vec<String>> {
        let (mut databases, mut problems) = (Vec::new(), Vec::new());
        for path in paths {
            match Database::open(path) {
                Ok(database) if database.has_countries || database.has_systems => databases.push(database),
                Ok(database) => problems.push(format!(
                    "cannot use {}: no countries or autonomous systems in it (its type is {})",
                    path.display(),
                    database.reader.metadata().database_type
                )),
                Err(error) => problems.push(format!("cannot use {}: {error}", path.display())),
            }
        }
        if problems.is_empty() { Ok(Self(databases)) } else { Err(problems) }
    }

    /// What is known of an address: unknown without a database that could say it, absent if none has it.
    pub(crate) fn locate(&self, addr: IpAddr) -> Locality {
        let mut locality = Locality::default();
        for database in &self.0 {
            if database.has_countries && locality.country.value().is_none() {
                locality.country = Seen::shown(database.country(addr));
            }
            if database.has_systems && locality.asn.value().is_none() {
                locality.asn = Seen::shown(database.system(addr));
            }
        }
        locality
    }
}

impl Database {
    fn open(path: &Path) -> Result<Self, MaxMindDbError> {
        let mut database =
            Self { reader: Reader::open_readfile(path)?, has_countries: false, has_systems: false };
        (database.has_countries, database.has_systems) = database.kinds()?;
        Ok(database)
    }

    /// What its first records have: names of database types are anybody's.
    fn kinds(&self) -> Result<(bool, bool), MaxMindDbError> {
        let (mut countries, mut systems) = (false, false);
        for record in self.reader.networks(WithinOptions::default())?.take(RECORDS_PROBED) {
            let addr = record?.network()?.ip();
            countries |= self.country(addr).is_some();
            systems |= self.system(addr).is_some();
            if countries && systems {
                break;
            }
        }
        Ok((countries, systems))
    }

    /// MaxMind and DB-IP say `country.iso_code`, IPinfo `country_code`.
    fn country(&self, addr: IpAddr) -> Option<[u8; 2]> {
        let code: Option<&str> = self
            .field(addr, &path!["country", "iso_code"])
            .or_else(|| self.field(addr, &path!["country_code"]));
        code.filter(|code| code.is_ascii())?.as_bytes().try_into().ok()
    }

    /// MaxMind and DB-IP have a number, IPinfo `AS64496`.
    fn system(&self, addr: IpAddr) -> Option<u32> {
        let number: Option<u32> = self.field(addr, &path!["autonomous_system_number"]);
        number.or_else(|| {
            let text: &str = self.field(addr, &path!["asn"])?;
            text.strip_prefix("AS")?.parse().ok()
        })
    }

    /// A part of the address's record; a damaged record is as good as none.
    fn field<'d, T: serde::Deserialize<'d>>(&'d self, addr: IpAddr, path: &[PathElement<'_>]) -> Option<T> {
        self.reader.lookup(addr).ok()?.decode_path(path).ok()?
    }
}

/// The first networks of a database may be reserved ones, of which it says nothing.
const RECORDS_PROBED: usize = 4096;

#[cfg(test)]
mod tests;
