//! Evidence on disk: one file for each storm, which deletes itself.
//!
//! Its name and its first lines say when it expires; whoever opens the folder removes what has. A damaged file is
//! removed as well: it holds nothing that anybody else depends on, and its time could not be read.

use std::fs;
use std::path::{Path, PathBuf};

use seawall_console::control::{EvidenceNetworkView, EvidenceView, ExhibitView};
use seawall_http::UnixTime;
use seawall_storm::evidence::{Evidence, Exhibit};
use seawall_storm::{CrowdedNetwork, StormId};

use super::{StateError, file};

/// The folder of evidence.
#[derive(Clone, Debug)]
pub struct EvidenceFolder {
    path: PathBuf,
}

// === impl EvidenceFolder ===

impl EvidenceFolder {
    /// The one in this state folder; it is made with the first evidence.
    pub fn of(state: &Path) -> Self {
        Self { path: state.join("evidence") }
    }

    /// Replaces what is kept of this storm.
    ///
    /// # Errors
    ///
    /// When it cannot be written; what was kept stays.
    pub fn keep(&self, evidence: &EvidenceView) -> Result<(), StateError> {
        file::make_folder(&self.path)?;
        let mut content = serde_json::to_vec(evidence)
            .map_err(|error| StateError::io("write", &self.path)(std::io::Error::other(error)))?;
        content.push(b'\n');
        file::replace(&self.file(&evidence.storm), &content)
    }

    /// What is kept of this storm and has not expired.
    ///
    /// # Errors
    ///
    /// When there is a file that cannot be read.
    pub fn load(&self, storm: StormId, now: UnixTime) -> Result<Option<EvidenceView>, StateError> {
        let evidence = self.read(&self.file(&storm.to_string()))?;
        Ok(evidence.filter(|evidence| evidence.expires > now.as_secs()))
    }

    /// Deletes what is kept of this storm; whether there was something.
    ///
    /// # Errors
    ///
    /// When it cannot be deleted.
    pub fn remove(&self, storm: StormId) -> Result<bool, StateError> {
        delete(&self.file(&storm.to_string()))
    }

    /// Deletes what has expired, what is damaged, and what a crash left half written. Gives the number of files.
    ///
    /// # Errors
    ///
    /// When one cannot be deleted; the others are tried none the less.
    pub fn sweep(&self, now: UnixTime) -> Result<usize, StateError> {
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(StateError::io("list", &self.path)(error)),
        };
        let (mut deleted, mut failure) = (0, None);
        for path in entries.flatten().map(|entry| entry.path()) {
            let stands = self.read(&path).ok().flatten().is_some_and(|found| found.expires > now.as_secs());
            if stands {
                continue;
            }
            match delete(&path) {
                Ok(was_there) => deleted += usize::from(was_there),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(deleted), Err)
    }

    fn read(&self, path: &Path) -> Result<Option<EvidenceView>, StateError> {
        let Some(secret) = file::read_secret(path, file::Whose::MineOrIAmRoot)? else { return Ok(None) };
        let evidence: Option<EvidenceView> = serde_json::from_slice(&secret.content).ok();
        Ok(evidence.filter(|evidence| VERSIONS.contains(&evidence.version)))
    }

    fn file(&self, storm: &str) -> PathBuf {
        self.path.join(format!("{storm}.json"))
    }
}

fn delete(path: &Path) -> Result<bool, StateError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(StateError::io("delete", path)(error)),
    }
}

/// What is written. Version 1 had no networks.
const VERSION: u32 = 2;
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=VERSION;

/// Evidence as it is kept and shown, with those of its storm's networks that enough clients stand behind.
pub fn view_of(evidence: &Evidence, networks: &[CrowdedNetwork]) -> EvidenceView {
    EvidenceView {
        version: VERSION,
        storm: evidence.storm.to_string(),
        collecting: false,
        opened: evidence.opened.as_secs(),
        expires: evidence.expires().as_secs(),
        offered: evidence.offered,
        exhibits: evidence.exhibits().into_iter().map(exhibit_view).collect(),
        networks: networks.iter().map(network_view).collect(),
    }
}

fn network_view(crowded: &CrowdedNetwork) -> EvidenceNetworkView {
    EvidenceNetworkView {
        network: crowded.network.to_string(),
        share: crowded.share,
        clients: crowded.clients,
    }
}

fn exhibit_view(exhibit: &Exhibit) -> ExhibitView {
    ExhibitView {
        at: exhibit.at.as_secs(),
        method: exhibit.method.clone(),
        host: exhibit.host.clone(),
        path: exhibit.path.clone(),
        query_shape: exhibit.query_shape.clone(),
        protocol: String::from(exhibit.protocol),
        fields: exhibit.fields.clone(),
        user_agent: exhibit.user_agent.clone(),
        content_type: exhibit.content_type.clone(),
        content_length: exhibit.content_length,
        content: exhibit.content.as_deref().map(hexadecimal),
        tls_fingerprint: exhibit.tls_fingerprint.clone(),
        refused: exhibit.is_refused,
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // A string takes any text.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use seawall_storm::evidence::Terms;

    use super::*;

    fn exhibit() -> Exhibit {
        Exhibit {
            at: UnixTime::from_secs(5),
            method: String::from("POST"),
            host: String::from("site.example"),
            path: String::from("/ca/cacert.pem"),
            query_shape: None,
            protocol: "HTTP/1.1",
            fields: vec![String::from("Host")],
            user_agent: Some(String::from("QQGameHall")),
            content_type: None,
            content_length: Some(3),
            content: Some(vec![0x16, 3, 1]),
            tls_fingerprint: None,
            is_refused: true,
        }
    }

    fn evidence(storm: u32, kept: Duration) -> EvidenceView {
        let terms = Terms { with_content: true, kept, ..Terms::default() };
        let mut evidence = Evidence::open(StormId(storm), terms, 1, UnixTime(0));
        evidence.offer(exhibit());
        let network = CrowdedNetwork { network: "203.0.113.0/24".parse().unwrap(), share: 0.25, clients: 31 };
        view_of(&evidence, &[network])
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn evidence_comes_back_until_it_expires() {
        let state = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::of(state.path());
        assert_eq!(folder.load(StormId(7), UnixTime(0)).unwrap(), None);
        let kept = evidence(7, HOUR);
        folder.keep(&kept).unwrap();
        assert_eq!(kept.exhibits[0].content.as_deref(), Some("160301"));
        assert_eq!(folder.load(StormId(7), UnixTime::from_secs(3_599)).unwrap(), Some(kept));
        assert_eq!(folder.load(StormId(7), UnixTime::from_secs(3_600)).unwrap(), None);
    }

    #[test]
    fn a_sweep_deletes_what_has_expired_and_what_nobody_can_read() {
        let state = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::of(state.path());
        assert_eq!(folder.sweep(UnixTime(0)).unwrap(), 0);
        folder.keep(&evidence(1, HOUR)).unwrap();
        folder.keep(&evidence(2, 2 * HOUR)).unwrap();
        fs::write(state.path().join("evidence/.new-1-1-x.json"), "{").unwrap();
        assert_eq!(folder.sweep(UnixTime::from_secs(3_600)).unwrap(), 2);
        assert!(folder.load(StormId(2), UnixTime(0)).unwrap().is_some());
        assert!(folder.remove(StormId(2)).unwrap() && !folder.remove(StormId(2)).unwrap());
    }

    #[test]
    fn what_an_earlier_version_kept_is_read() {
        let state = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::of(state.path());
        let kept = evidence(7, HOUR);
        folder.keep(&kept).unwrap();
        // Written by version 0.1 before evidence had networks.
        fs::write(folder.file(&kept.storm), include_str!("testdata/evidence-v1.json")).unwrap();
        let expected = EvidenceView { version: 1, networks: Vec::new(), ..kept };
        assert_eq!(folder.load(StormId(7), UnixTime(0)).unwrap(), Some(expected));
    }

    #[test]
    fn others_cannot_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let state = tempfile::tempdir().unwrap();
        let folder = EvidenceFolder::of(state.path());
        folder.keep(&evidence(1, HOUR)).unwrap();
        for path in [state.path().join("evidence"), folder.file(&StormId(1).to_string())] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o077, 0);
        }
    }
}
