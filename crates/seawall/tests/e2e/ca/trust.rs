//! `seawall ca build` and the programs that read what it wrote: OpenSSL, rustls and curl accept a chain that ends in a
//! root of the bundle, and none that ends elsewhere. `-t` and the other options of `mk-ca-bundle`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{RootCertStore, crypto};
use seawall_testkit::{Curl, Dir};

use crate::support::{Ran, run, seawall};

/// A root, and a server's certificate for localhost that it signed, as files in a folder.
struct Authority {
    dir: Dir,
    name: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let this = Self { dir: Dir::new(), name: name.to_owned() };
        this.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -keyout root.key -out root.pem -subj", &[
            &format!("/O=Test authority/CN={name}"),
        ]);
        this.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout leaf.key -out leaf.csr -subj /CN=localhost", &[]);
        this.dir.write(
            "leaf.ext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n",
        );
        this.openssl("x509 -req -in leaf.csr -CA root.pem -CAkey root.key -set_serial 4711 -days 10 -extfile leaf.ext -out leaf.pem", &[]);
        this.openssl("x509 -in root.pem -outform DER -out root.der", &[]);
        this
    }

    fn openssl(&self, command: &str, more: &[&str]) -> Vec<u8> {
        let arguments = command.split(' ').chain(more.iter().copied());
        let output = Command::new("openssl").args(arguments).current_dir(self.dir.path()).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Its two objects, as certdata.txt has them.
    fn objects(&self) -> String {
        let der = std::fs::read(self.dir.join("root.der")).unwrap();
        let hash = |algorithm: &str| self.openssl(&format!("dgst -{algorithm} -binary root.der"), &[]);
        let name = &self.name;
        // What pairs the objects; nobody decodes it.
        let key = format!(
            "CKA_ISSUER MULTILINE_OCTAL\n{}END\nCKA_SERIAL_NUMBER MULTILINE_OCTAL\n\\002\\001\\001\nEND\n",
            octal(name.as_bytes())
        );
        format!(
            "#\n# Certificate \"{name}\"\n#\nCKA_CLASS CK_OBJECT_CLASS CKO_CERTIFICATE\nCKA_LABEL UTF8 \"{name}\"\n{key}\
             CKA_VALUE MULTILINE_OCTAL\n{}END\n\n# Trust for \"{name}\"\nCKA_CLASS CK_OBJECT_CLASS CKO_NSS_TRUST\n\
             CKA_LABEL UTF8 \"{name}\"\nCKA_CERT_SHA1_HASH MULTILINE_OCTAL\n{}END\nCKA_CERT_MD5_HASH MULTILINE_OCTAL\n\
             {}END\n{key}CKA_TRUST_SERVER_AUTH CK_TRUST CKT_NSS_TRUSTED_DELEGATOR\n\
             CKA_TRUST_EMAIL_PROTECTION CK_TRUST CKT_NSS_MUST_VERIFY_TRUST\n\
             CKA_TRUST_CODE_SIGNING CK_TRUST CKT_NSS_MUST_VERIFY_TRUST\n\n",
            octal(&der),
            octal(&hash("sha1")),
            octal(&hash("md5"))
        )
    }
}

fn octal(octets: &[u8]) -> String {
    let mut out = String::new();
    for line in octets.chunks(16) {
        line.iter().for_each(|octet| write!(out, "\\{octet:03o}").unwrap());
        out.push('\n');
    }
    out
}

/// A certdata.txt of these authorities.
fn certdata(authorities: &[&Authority]) -> String {
    let objects: String = authorities.iter().map(|authority| authority.objects()).collect();
    format!("# test\nBEGINDATA\n\n{objects}")
}

fn build(certdata: &Path, output: &Path, more: &[&str]) -> Ran {
    run(["ca", "build", certdata.to_str().unwrap(), "-o", output.to_str().unwrap()]
        .into_iter()
        .chain(more.iter().copied()))
}

#[test]
fn openssl_rustls_and_curl_accept_a_chain_that_ends_in_the_bundle_and_no_other() {
    let (known, unknown) = (Authority::new("Known Root"), Authority::new("Unknown Root"));
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", certdata(&[&known, &Authority::new("Another Root")]));
    for (name, options) in
        [("plain.pem", &[][..]), ("text.pem", &["-t", "-m", "-s", "ALL"]), ("wide.pem", &["-w", "64"])]
    {
        let bundle = dir.join(name);
        build(&certdata, &bundle, options).ok();
        assert!(openssl_verifies(&bundle, &known), "{name}");
        assert!(!openssl_verifies(&bundle, &unknown), "{name}");
        assert_eq!(
            (rustls_verifies(&bundle, &known), rustls_verifies(&bundle, &unknown)),
            (true, false),
            "{name}"
        );
        assert_eq!(
            (curl_verifies(&bundle, &known), curl_verifies(&bundle, &unknown)),
            (true, false),
            "{name}"
        );
    }
}

fn openssl_verifies(bundle: &Path, authority: &Authority) -> bool {
    let leaf = authority.dir.join("leaf.pem");
    let output =
        Command::new("openssl").args(["verify", "-no-CApath", "-CAfile"]).arg(bundle).arg(leaf).output();
    output.unwrap().status.success()
}

fn rustls_verifies(bundle: &Path, authority: &Authority) -> bool {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    assert_eq!(roots.len(), 2);
    let provider = Arc::new(crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
    let leaf = CertificateDer::from_pem_file(authority.dir.join("leaf.pem")).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    verifier.verify_server_cert(&leaf, &[], &name, &[], UnixTime::now()).is_ok()
}

/// Over a connection to a server with that certificate.
fn curl_verifies(bundle: &Path, authority: &Authority) -> bool {
    let (certificate, key) = (authority.dir.join("leaf.pem"), authority.dir.join("leaf.key"));
    authority.dir.write("www/index.html", "hello");
    let server = seawall()
        .configuration(&format!(
            "listen = [{{ address = \"@LISTEN@\", tls = true }}]\nadmin = \"@ADMIN@\"\nstate = \"@DIR@/state\"\n\
             [[site]]\nfiles = \"{}\"\ntls = {{ certificate = \"{}\", key = \"{}\" }}\n",
            authority.dir.join("www").display(),
            certificate.display(),
            key.display()
        ))
        .start();
    let reply = Curl::get(server.tls_url("/")).arg("--cacert").arg(bundle.to_str().unwrap()).try_run();
    match reply {
        Ok(reply) => reply.status == 200,
        // 60: the peer's certificate cannot be authenticated.
        Err(error) => {
            assert_eq!(error.code, 60, "{error:?}");
            false
        }
    }
}

#[test]
fn every_root_of_the_releases_at_hand_loads_in_openssl_and_rustls() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ca");
    let Ok(entries) = std::fs::read_dir(&data) else {
        return println!("skipped: {} does not exist", data.display());
    };
    let dir = Dir::new();
    let bundle = dir.join("cacert.pem");
    for path in entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|one| one == "txt"))
    {
        let said = build(&path, &bundle, &["-p", "ALL:ALL", "--shrink-limit", "100"]);
        let taken: usize = said.err.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
        let mut roots = RootCertStore::empty();
        let loaded = roots
            .add_parsable_certificates(CertificateDer::pem_file_iter(&bundle).unwrap().map(Result::unwrap));
        // rustls takes no certificate of version 1 without extensions as it should, and says so by skipping it.
        assert_eq!(loaded, (taken, 0), "{}", path.display());
        let listed =
            Command::new("openssl").args(["storeutl", "-noout", "-certs"]).arg(&bundle).output().unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.ends_with(&format!("Total found: {taken}\n")), "{listed}");
    }
}

#[test]
fn verify_finds_the_broken_the_weak_and_the_expired() {
    let strong = Authority::new("Strong Root");
    let weak = Authority::new("Weak Root");
    weak.openssl(
        "req -x509 -newkey rsa:1024 -nodes -days 30 -keyout root.key -out root.pem -subj /CN=weak",
        &[],
    );
    weak.openssl("x509 -in root.pem -outform DER -out root.der", &[]);
    let broken = Authority::new("Broken Root");
    let mut der = std::fs::read(broken.dir.join("root.der")).unwrap();
    *der.last_mut().unwrap() ^= 1;
    std::fs::write(broken.dir.join("root.der"), der).unwrap();
    let dir = Dir::new();
    let verify = |certdata: &Path, more: &[&str]| {
        run(["ca", "verify", certdata.to_str().unwrap()].into_iter().chain(more.iter().copied()))
    };
    let good = dir.write("good.txt", certdata(&[&strong]));
    let said = verify(&good, &[]).ok();
    assert!(said.ends_with("1 roots: 1 with their own signature verified, 1 valid now, 1 with the hashes that the file names; 0 problems, 0 remarks\n"), "{said}");
    // 2100-01-01
    let expired = verify(&good, &["--at", "4102444800"]);
    assert_eq!(expired.status, 0, "{}", expired.out);
    assert!(
        expired.out.contains("remark: line 7: object \"Strong Root\": it expired on "),
        "{}",
        expired.out
    );
    assert_eq!(verify(&good, &["--at", "4102444800", "--strict"]).status, 1);
    assert_eq!(verify(&good, &["--at", "0"]).status, 1, "not valid yet");
    let bad = dir.write("bad.txt", certdata(&[&strong, &weak, &broken]));
    let said = verify(&bad, &[]);
    assert_eq!(said.status, 1, "{}", said.out);
    assert!(said.out.contains("object \"Broken Root\": its own signature is wrong\n"), "{}", said.out);
    assert!(
        said.out.contains(
            "object \"Weak Root\": its key is too small: rsaEncryption, 1024 bits, less than 2048\n"
        ),
        "{}",
        said.out
    );
    let facts = verify(&bad, &["--format", "json"]).json();
    assert_eq!(facts["roots"][0]["signature"], "verified");
    assert_eq!(facts["roots"][0]["key"]["bits"], 256);
    assert_eq!(facts["roots"][2]["signature"], "broken");
    assert_eq!(facts["problem_count"], 2);
    // A hash that is not the certificate's: the file's word against itself.
    let hashes = dir.write(
        "hash.txt",
        certdata(&[&strong]).replacen(
            "CKA_CERT_MD5_HASH MULTILINE_OCTAL\n\\",
            "CKA_CERT_MD5_HASH MULTILINE_OCTAL\n\\001\\",
            1,
        ),
    );
    let said = verify(&hashes, &["--format", "json"]);
    assert_eq!(said.status, 2, "{}", said.out);
    assert_eq!(said.json()["fault"]["object"], "Strong Root");
    // A file that is damaged, or another one altogether, is no finding.
    let whole = certdata(&[&strong]);
    let cut = verify(&dir.write("cut.txt", &whole[..whole.len() - 9]), &[]);
    assert!(cut.status == 2 && cut.err.contains("truncated"), "{} {}", cut.status, cut.err);
    let bundle = strong.dir.join("root.pem");
    for command in
        [vec!["verify"], vec!["list"], vec!["diff", good.to_str().unwrap()], vec!["build", "-o", "-"]]
    {
        let said = run(["ca"].into_iter().chain(command).chain([bundle.to_str().unwrap()]));
        assert_eq!(said.status, 2, "{}", said.err);
        assert!(said.err.contains("hint: this is PEM"), "{}", said.err);
    }
    assert_eq!(verify(&dir.join("none.txt"), &[]).status, 2);
}

#[test]
fn texts_and_fingerprints_stand_above_each_certificate() {
    let authority = Authority::new("Printed Root");
    let dir = Dir::new();
    let certdata = dir.write("certdata.txt", certdata(&[&authority]));
    build(&certdata, &dir.join("text.pem"), &["-t", "-s", "sha512,SHA256"]).ok();
    let text = dir.read("text.pem");
    let printed = String::from_utf8(authority.openssl("x509 -in root.pem -text", &[])).unwrap();
    let fingerprint = |hash: &str| {
        String::from_utf8(authority.openssl(&format!("x509 -in root.pem -noout -fingerprint -{hash}"), &[]))
            .unwrap()
    };
    let trust = "MUST_VERIFY_TRUST: EMAIL_PROTECTION, CODE_SIGNING\nTRUSTED_DELEGATOR: SERVER_AUTH\n";
    let (long, short) = (
        fingerprint("SHA512").replace("sha512", "SHA512"),
        fingerprint("SHA256").replace("sha256", "SHA256"),
    );
    assert!(
        text.ends_with(&format!("\nPrinted Root\n============\n{trust}{long}{short}{printed}")),
        "{text}"
    );
    assert!(
        text.contains("## It contains the certificates in plain text and PEM format and therefore\n"),
        "{text}"
    );
    let ran = build(&certdata, &dir.join("text.pem"), &["-t", "-s", "MD5"]);
    assert_eq!(ran.status, 2, "{}", ran.err);
    assert!(
        ran.err.contains("unknown fingerprint algorithm \"MD5\"; known are ALL, SHA256, SHA384, SHA512"),
        "{}",
        ran.err
    );
}

#[test]
fn backups_quiet_verbose_and_licence_do_what_they_say() {
    let authority = Authority::new("Kept Root");
    let dir = Dir::new();
    let block = "# ***** BEGIN LICENSE BLOCK *****\n# free\n# ***** END LICENSE BLOCK *****\n";
    let certdata = dir.write("certdata.txt", format!("{block}{}", certdata(&[&authority])));
    let output = dir.write("cacert.pem", "one");
    assert_eq!(build(&certdata, &output, &["-q", "-b"]).err, "");
    assert_eq!(dir.read("cacert.pem.~1~"), "one");
    let said = build(&certdata, &output, &["-b", "-v", "-l"]);
    assert_eq!(dir.read("cacert.pem.~2~"), dir.read("cacert.pem"));
    assert_eq!(said.err, format!("{block}\"Kept Root\" taken\n1 roots taken, 0 left out\n"));
    assert_eq!(build(&certdata, &output, &["--no-such-option"]).status, 2);
}
