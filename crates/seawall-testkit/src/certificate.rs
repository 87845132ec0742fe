//! Self-signed certificates for test servers.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::find_program;

/// A certificate and its key, in PEM files.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// Certificate.
    pub certificate: PathBuf,
    /// Key.
    pub key: PathBuf,
}

impl Certificate {
    /// A new one for these names, in `folder`, valid for a day.
    #[track_caller]
    pub fn self_signed(folder: &Path, names: &[&str]) -> Self {
        let first = names.first().copied().unwrap_or("localhost");
        let this = Self {
            certificate: folder.join(format!("{first}.crt")),
            key: folder.join(format!("{first}.key")),
        };
        let alternatives = names.iter().map(|name| match name.parse::<std::net::IpAddr>() {
            Ok(address) => format!("IP:{address}"),
            Err(_) => format!("DNS:{name}"),
        });
        let mut openssl = Command::new(find_program("openssl"));
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "1",
        ]);
        // The system's configuration would make it the certificate of an authority, which is none of a server.
        let configuration = folder.join("openssl.cnf");
        std::fs::write(&configuration, "[req]\ndistinguished_name = name\n[name]\n")
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", configuration.display()));
        openssl.arg("-config").arg(configuration).args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-subj").arg(format!("/CN={first}"));
        openssl.arg("-addext").arg(format!("subjectAltName={}", alternatives.collect::<Vec<_>>().join(",")));
        openssl.arg("-keyout").arg(&this.key).arg("-out").arg(&this.certificate);
        let output = openssl.stdin(Stdio::null()).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run openssl: {error}"));
        assert!(output.status.success(), "openssl failed: {}", String::from_utf8_lossy(&output.stderr));
        this
    }
}
