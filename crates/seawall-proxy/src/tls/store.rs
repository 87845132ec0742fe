//! [`CertificateStore`]: which certificate a client sees for the name it asks for (SNI, RFC 6066 §3), and how
//! the set changes while the process runs.
//!
//! The set is an immutable snapshot, swapped whole: a handshake reads it without a lock. Looking a name up takes
//! one hash per label. A bad new file never takes a working certificate away.

use std::collections::HashMap;
use std::fmt;
use std::fs::Metadata;
use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use seawall_config::config::{Site, SiteTls};
use seawall_http::UnixTime;
use tracing::{info, warn};

use crate::clock;
use crate::tls::certificate::{Certificate, CertificateError};
use crate::tls::self_signed::self_signed;

/// Certificates loaded and checked, not yet in use.
#[derive(Debug)]
pub struct Certificates {
    entries: Vec<Entry>,
}

/// The certificate of one site.
#[derive(Debug)]
struct Entry {
    hosts: Vec<String>,
    tls: SiteTls,
    certificate: Certificate,
    stamp: Stamp,
    /// Why the files as they are now are not in use, if so; kept so that it is told once.
    failure: Option<String>,
}

/// What is known of one certificate in use, for metrics and the admin API.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateStatus {
    /// The site's hosts.
    pub hosts: Vec<String>,
    /// The last moment at which it is valid.
    pub not_after: UnixTime,
    /// Why the files as they are now are not in use.
    pub failure: Option<String>,
}

impl Certificates {
    /// Loads the certificates of these sites, and tells everything that is wrong at once.
    pub fn load(sites: &[Site], now: UnixTime) -> Result<Self, Vec<CertificateError>> {
        Self::load_after(sites, &[], now)
    }

    /// As [`Certificates::load`]; a self-signed certificate is taken from `previous` if its hosts are the same,
    /// so that a reload does not change it.
    fn load_after(sites: &[Site], previous: &[Entry], now: UnixTime) -> Result<Self, Vec<CertificateError>> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for site in sites {
            let Some(tls) = &site.tls else { continue };
            let kept = previous.iter().find(|old| {
                *tls == SiteTls::SelfSigned && old.tls == SiteTls::SelfSigned && old.hosts == site.hosts
            });
            // The stamp is taken first: what changes in between is seen at the next poll.
            let stamp = Stamp::of(tls);
            let loaded =
                kept.map_or_else(|| load_one(tls, &site.hosts, now), |old| Ok(old.certificate.clone()));
            match loaded {
                Ok(certificate) => {
                    entries.push(Entry {
                        hosts: site.hosts.clone(),
                        tls: tls.clone(),
                        certificate,
                        stamp,
                        failure: None,
                    });
                }
                Err(error) => errors.push(error),
            }
        }
        if entries.is_empty() && errors.is_empty() {
            errors.push(CertificateError::None);
        }
        if errors.is_empty() { Ok(Self { entries }) } else { Err(errors) }
    }
}

/// The certificates in use. One for the process, shared by all workers.
pub struct CertificateStore {
    by_name: ArcSwap<ByName>,
    /// Only the control plane takes it.
    entries: Mutex<Vec<Entry>>,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
}

impl CertificateStore {
    /// Puts certificates to use, and warns about those with a blemish.
    pub fn new(certificates: Certificates) -> Arc<Self> {
        certificates.entries.iter().for_each(warn_of);
        Arc::new(Self {
            by_name: ArcSwap::from_pointee(ByName::of(&certificates.entries)),
            entries: Mutex::new(certificates.entries),
            reloads: AtomicU64::new(0),
            reload_failures: AtomicU64::new(0),
        })
    }

    /// Loads the certificates for a new configuration; nothing changes until [`CertificateStore::install`].
    pub fn load(&self, sites: &[Site], now: UnixTime) -> Result<Certificates, Vec<CertificateError>> {
        Certificates::load_after(sites, &self.entries(), now)
    }

    /// Puts other certificates to use, from the next handshake on.
    pub fn install(&self, certificates: Certificates) {
        certificates.entries.iter().for_each(warn_of);
        let mut entries = self.entries();
        *entries = certificates.entries;
        self.by_name.store(Arc::new(ByName::of(&entries)));
    }

    /// Reads files again that have changed since they were last read, and puts what is good to use. Blocks on
    /// the file system: for the control plane. Returns how many certificates changed.
    ///
    /// A chain and its key are rarely replaced in the same instant, so a pair that does not fit is read again
    /// at every poll; what is wrong with it is logged when it changes.
    pub fn reload_changed(&self, now: UnixTime) -> usize {
        let mut entries = self.entries();
        let changed = entries.iter_mut().filter_map(|entry| self.reload(entry, now)).count();
        if changed > 0 {
            self.by_name.store(Arc::new(ByName::of(&entries)));
        }
        changed
    }

    /// Watches the files until `stop` resolves, looking every `every`: by time, size and inode, which sees
    /// renewed symbolic links and works on every file system.
    pub async fn watch(self: Arc<Self>, every: Duration, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(every) => {}
            }
            let store = Arc::clone(&self);
            let poll = tokio::task::spawn_blocking(move || store.reload_changed(clock::wall()));
            if poll.await.is_err() {
                warn!("reading changed certificates failed; the old ones stay in use");
            }
        }
    }

    /// What is in use now.
    pub fn status(&self) -> Vec<CertificateStatus> {
        let entries = self.entries();
        entries
            .iter()
            .map(|entry| CertificateStatus {
                hosts: entry.hosts.clone(),
                not_after: entry.certificate.not_after,
                failure: entry.failure.clone(),
            })
            .collect()
    }

    /// Certificates replaced because their files changed.
    pub fn reloads(&self) -> u64 {
        self.reloads.load(Ordering::Relaxed)
    }

    /// Changed files that could not be used, each fault counted once.
    pub fn reload_failures(&self) -> u64 {
        self.reload_failures.load(Ordering::Relaxed)
    }

    fn reload(&self, entry: &mut Entry, now: UnixTime) -> Option<()> {
        let stamp = Stamp::of(&entry.tls);
        if stamp == entry.stamp && entry.failure.is_none() {
            return None;
        }
        entry.stamp = stamp;
        match load_one(&entry.tls, &entry.hosts, now) {
            Ok(certificate) => {
                entry.failure = None;
                let same = certificate.key.cert == entry.certificate.key.cert;
                entry.certificate = certificate;
                if same {
                    return None;
                }
                self.reloads.fetch_add(1, Ordering::Relaxed);
                info!(host = %entry.hosts[0], "certificate reloaded");
                warn_of(entry);
                Some(())
            }
            Err(error) => {
                let failure = error.to_string();
                if entry.failure.as_ref() != Some(&failure) {
                    self.reload_failures.fetch_add(1, Ordering::Relaxed);
                    warn!(host = %entry.hosts[0], error = %failure, "changed certificate not usable, the old one stays");
                    entry.failure = Some(failure);
                }
                None
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // A panic elsewhere leaves the list as it was: it is replaced or changed entry by entry.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // A name of no site gets the default certificate: the exchange then answers 421, which says more than
        // a failed handshake. rustls hands the name over in lower case.
        self.by_name.load().find(hello.server_name())
    }
}

impl fmt::Debug for CertificateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateStore").field("status", &self.status()).finish_non_exhaustive()
    }
}

// === lookup ===

/// Certificates by the names of their sites.
#[derive(Debug, Default)]
struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    /// That of the site for `*`, or else of the first site.
    default: Option<Arc<CertifiedKey>>,
}

impl ByName {
    fn of(entries: &[Entry]) -> Self {
        let mut by_name = Self::default();
        for entry in entries {
            for host in &entry.hosts {
                let key = Arc::clone(&entry.certificate.key);
                // The first site with a host has it, as in the choice of the site itself.
                match host.strip_prefix("*.") {
                    Some(suffix) => by_name.wildcard.entry(suffix.to_owned()).or_insert(key),
                    None => by_name.exact.entry(host.clone()).or_insert(key),
                };
            }
        }
        let first = || entries.first().map(|entry| &entry.certificate.key);
        by_name.default = by_name.exact.get("*").or_else(first).cloned();
        by_name
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let named = name.and_then(|name| {
            self.exact.get(name).or_else(|| {
                // The longest suffix first: `*.a.example` before `*.example`.
                parents(name).find_map(|suffix| self.wildcard.get(suffix))
            })
        });
        named.or(self.default.as_ref()).cloned()
    }
}

/// `b.c` and `c` of `a.b.c`.
fn parents(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(move |(dot, _)| &name[dot + 1..])
}

// === files ===

/// What shows that a site's files have changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Stamp {
    certificate: Option<FileStamp>,
    key: Option<FileStamp>,
}

/// Time, size, inode and device of a file.
type FileStamp = (i64, i64, u64, u64, u64);

impl Stamp {
    fn of(tls: &SiteTls) -> Self {
        match tls {
            SiteTls::Files { certificate, key } => {
                Self { certificate: file_stamp(certificate), key: file_stamp(key) }
            }
            SiteTls::SelfSigned => Self::default(),
        }
    }
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    // Follows links: the inode changes when a link is turned to a renewed certificate.
    let stamp = |meta: Metadata| (meta.mtime(), meta.mtime_nsec(), meta.size(), meta.ino(), meta.dev());
    std::fs::metadata(path).ok().map(stamp)
}

fn load_one(tls: &SiteTls, hosts: &[String], now: UnixTime) -> Result<Certificate, CertificateError> {
    match tls {
        SiteTls::Files { certificate, key } => Certificate::read(certificate, key, hosts, now),
        SiteTls::SelfSigned => self_signed(hosts, now),
    }
}

fn warn_of(entry: &Entry) {
    let path: Option<&PathBuf> = match &entry.tls {
        SiteTls::Files { certificate, .. } => Some(certificate),
        SiteTls::SelfSigned => None,
    };
    for warning in &entry.certificate.warnings {
        warn!(host = %entry.hosts[0], ?path, %warning, "certificate in use has a fault");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use seawall_config::config::{Site, SiteTls, Source, StormPolicy};
    use seawall_http::UnixTime;

    use super::{CertificateStore, Certificates};
    use crate::tls::certificate::CertificateError;

    const NOW: UnixTime = UnixTime::from_secs(1_767_225_600);

    fn site(hosts: &[&str], tls: Option<SiteTls>) -> Site {
        Site {
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            source: Source::Files("/srv/www".into()),
            tls,
            cache: None,
            cache_control: None,
            storms: StormPolicy::default(),
        }
    }

    fn files(folder: &Path) -> SiteTls {
        SiteTls::Files { certificate: folder.join("chain.pem"), key: folder.join("key.pem") }
    }

    fn write_pair(folder: &Path, name: &str) {
        let pair = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        std::fs::write(folder.join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
        std::fs::write(folder.join("chain.pem"), pair.cert.pem()).unwrap();
    }

    fn der(store: &CertificateStore, name: Option<&str>) -> Vec<u8> {
        store.by_name.load().find(name).unwrap().cert[0].to_vec()
    }

    #[test]
    fn exact_goes_before_wildcard_and_wildcard_before_default() {
        let sites = ["www.site.example", "*.a.site.example", "*.site.example", "last.example"]
            .map(|host| site(&[host], Some(SiteTls::SelfSigned)));
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        let of = |index: usize| store.entries()[index].certificate.key.cert[0].to_vec();
        for (name, index) in [
            (Some("www.site.example"), 0),
            (Some("x.a.site.example"), 1),
            (Some("x.y.a.site.example"), 1),
            (Some("x.site.example"), 2),
            (Some("site.example"), 0),
            (Some("last.example"), 3),
            (Some("nobody.example"), 0),
            (None, 0),
        ] {
            assert_eq!(der(&store, name), of(index), "{name:?}");
        }
    }

    #[test]
    fn the_site_for_every_other_host_is_the_default() {
        let sites =
            [site(&["a.example"], Some(SiteTls::SelfSigned)), site(&["*"], Some(SiteTls::SelfSigned))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        assert_ne!(der(&store, Some("nobody.example")), der(&store, Some("a.example")));
        assert_eq!(der(&store, Some("nobody.example")), der(&store, None));
    }

    #[test]
    fn every_bad_site_is_told_at_once_and_none_at_all_too() {
        let missing = |name: &str| Some(files(Path::new(name)));
        let sites = [
            site(&["a.example"], missing("/nonexistent/a")),
            site(&["b.example"], missing("/nonexistent/b")),
        ];
        assert_eq!(Certificates::load(&sites, NOW).unwrap_err().len(), 2);
        let none = Certificates::load(&[site(&["a.example"], None)], NOW).unwrap_err();
        assert!(matches!(none[..], [CertificateError::None]));
    }

    #[test]
    fn changed_files_are_put_to_use_and_unchanged_ones_left() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "a.example");
        let sites = [site(&["a.example"], Some(files(folder.path())))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        let before = der(&store, None);
        assert_eq!(store.reload_changed(NOW), 0);
        write_pair(folder.path(), "a.example");
        assert_eq!(store.reload_changed(NOW), 1);
        assert_ne!(der(&store, None), before);
        assert_eq!((store.reloads(), store.reload_failures()), (1, 0));
    }

    #[test]
    fn a_bad_new_file_keeps_the_old_certificate_and_is_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "a.example");
        let sites = [site(&["a.example"], Some(files(folder.path())))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        let before = der(&store, None);
        let key = std::fs::read(folder.path().join("key.pem")).unwrap();
        // A new chain whose key has not been written yet.
        write_pair(folder.path(), "a.example");
        let renewed_key = std::fs::read(folder.path().join("key.pem")).unwrap();
        std::fs::write(folder.path().join("key.pem"), key).unwrap();
        assert_eq!((store.reload_changed(NOW), store.reload_changed(NOW)), (0, 0));
        assert_eq!(der(&store, None), before);
        assert_eq!(store.reload_failures(), 1);
        assert!(store.status()[0].failure.as_ref().unwrap().contains("does not belong"));
        std::fs::write(folder.path().join("key.pem"), renewed_key).unwrap();
        assert_eq!(store.reload_changed(NOW), 1);
        assert_eq!(store.status()[0].failure, None);
    }

    #[test]
    fn a_removed_file_keeps_the_old_certificate() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "a.example");
        let sites = [site(&["a.example"], Some(files(folder.path())))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        std::fs::remove_file(folder.path().join("chain.pem")).unwrap();
        assert_eq!(store.reload_changed(NOW), 0);
        assert!(store.by_name.load().find(None).is_some());
        assert_eq!(store.reload_failures(), 1);
    }

    #[test]
    fn a_reload_of_the_configuration_keeps_the_self_signed_certificate() {
        let sites = [site(&["a.example"], Some(SiteTls::SelfSigned))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        let before = der(&store, None);
        let more = [site(&["b.example"], Some(SiteTls::SelfSigned)), sites[0].clone()];
        store.install(store.load(&more, NOW).unwrap());
        assert_eq!(der(&store, Some("a.example")), before);
        assert_ne!(der(&store, Some("b.example")), before);
    }

    #[tokio::test(start_paused = true)]
    async fn watching_sees_a_change_and_ends_when_told() {
        let folder = tempfile::tempdir().unwrap();
        write_pair(folder.path(), "a.example");
        let sites = [site(&["a.example"], Some(files(folder.path())))];
        let store = CertificateStore::new(Certificates::load(&sites, NOW).unwrap());
        write_pair(folder.path(), "a.example");
        let seen = {
            let store = Arc::clone(&store);
            async move {
                while store.reloads() == 0 {
                    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                }
            }
        };
        Arc::clone(&store).watch(std::time::Duration::from_secs(2), seen).await;
        assert_eq!(store.reloads(), 1);
    }
}
