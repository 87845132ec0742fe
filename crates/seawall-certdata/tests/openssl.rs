//! Texts of certificates against the real `openssl x509 -text`: roots of every release at hand, certificates with odd
//! names, keys, numbers and extensions, and certificates with octets changed.

#![expect(clippy::print_stdout, reason = "what was compared and skipped must be said")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use seawall_certdata::{Certdata, text};

const FIVE: &str = include_str!("data/five-roots.txt");

#[test]
fn texts_of_all_roots_at_hand_are_those_of_openssl() {
    let mut roots = Certdata::parse(FIVE.as_bytes()).unwrap().roots;
    for path in releases() {
        roots.extend(Certdata::parse(&std::fs::read(path).unwrap()).unwrap().roots);
    }
    roots.sort_by_key(|root| root.sha256());
    roots.dedup_by_key(|root| root.sha256());
    let mut compared = Compared::default();
    for root in &roots {
        compared.add(&root.label, &root.der);
    }
    compared.assert_none();
    println!("{} roots", roots.len());
}

#[test]
fn texts_of_odd_certificates_are_those_of_openssl() {
    let dir = tempfile::tempdir().unwrap();
    let mut compared = Compared::default();
    let mut add = |name: &str, odd: Odd<'_>| compared.add(name, &made(dir.path(), &odd));
    SUBJECTS.iter().for_each(|&(name, subject)| add(name, Odd { subject, ..PLAIN }));
    KEYS.iter().for_each(|&key| add(key, Odd { key, ..PLAIN }));
    SERIALS.iter().for_each(|&serial| add(serial, Odd { serial, ..PLAIN }));
    OPTIONS.iter().for_each(|&(key, options)| add(&options.join(" "), Odd { key, options, ..PLAIN }));
    EXTENSIONS.iter().for_each(|&extension| add(extension, Odd { extension, ..PLAIN }));
    compared.assert_none();
    println!(
        "{} certificates",
        SUBJECTS.len() + KEYS.len() + SERIALS.len() + OPTIONS.len() + EXTENSIONS.len()
    );
}

#[test]
fn texts_of_damaged_certificates_are_those_of_openssl_where_it_has_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut originals: Vec<Vec<u8>> =
        RICH.iter().map(|&extension| made(dir.path(), &Odd { extension, ..PLAIN })).collect();
    originals.extend(Certdata::parse(FIVE.as_bytes()).unwrap().roots.into_iter().map(|root| root.der));
    let mut random = Random(0x5ea_3a11);
    let (mut same, mut none) = (0, 0);
    let mut compared = Compared::default();
    let rounds = std::env::var("SEAWALL_DAMAGED").map_or(300, |rounds| rounds.parse().unwrap());
    for _ in 0..rounds {
        let mut der = originals[random.below(originals.len())].clone();
        let at = random.below(der.len());
        der[at] = match random.below(3) {
            0 => der[at] ^ (1 << random.below(8)),
            1 => u8::try_from(random.below(256)).unwrap(),
            _ => [0, 0x80, 0xff, b',', 0x1e, 0x0c, 0x30, b' '][random.below(8)],
        };
        match (text::certificate(&der), openssl(&der)) {
            // Whether a point is on its curve is not judged; OpenSSL prints its own internals then.
            (Some(ours), Some(theirs)) if ours.different.is_empty() && !unloadable(&theirs) => {
                same += 1;
                if ours.octets != theirs {
                    let what = format!("octet {at} of {}: {}", hex(&der), difference(&ours.octets, &theirs));
                    compared.different.push(what);
                }
            }
            _ => none += 1,
        }
    }
    println!("{same} texts are the same, {none} certificates have none");
    compared.assert_none();
    assert!(same > rounds / 4, "{same}");
}

#[test]
fn names_of_objects_are_those_of_openssl() {
    let listed = Command::new("openssl").args(["list", "-objects"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let known: Vec<&str> = include_str!("../src/text/objects.txt").lines().collect();
    for line in listed.lines().filter(|line| !line.starts_with('#')) {
        let (short, rest) = line.split_once(" = ").unwrap();
        let (long, oid) = rest.rsplit_once(", ").unwrap_or((short, rest));
        assert!(known.contains(&format!("{oid}\t{short}\t{long}").as_str()), "{line}");
    }
}

/// How a certificate is out of the ordinary.
#[derive(Clone, Copy)]
struct Odd<'a> {
    subject: &'a str,
    key: &'a str,
    serial: &'a str,
    /// Lines of a section of `openssl.cnf`, set apart by `|`; other sections begin with `[`.
    extension: &'a str,
    options: &'a [&'a str],
}

const PLAIN: Odd<'_> = Odd { subject: "/CN=odd", key: "ed25519", serial: "7", extension: "", options: &[] };

fn made(dir: &Path, odd: &Odd<'_>) -> Vec<u8> {
    let config = dir.join("openssl.cnf");
    let sections = odd.extension.replace('|', "\n");
    std::fs::write(&config, format!("[req]\ndistinguished_name=dn\n[dn]\n[ext]\n{sections}\n")).unwrap();
    let key = dir.join(format!("{}.key", odd.key.replace([':', '/'], "-")));
    if !key.exists() {
        make_key(odd.key, &key);
    }
    let out = dir.join("odd.der");
    let mut command = Command::new("openssl");
    command
        .args(["req", "-x509", "-new", "-config"])
        .arg(&config)
        .arg("-key")
        .arg(&key)
        .arg("-out")
        .arg(&out);
    command.args(["-outform", "DER", "-days", "30", "-utf8", "-multivalue-rdn", "-subj", odd.subject]);
    command.args(["-set_serial", odd.serial]);
    if !odd.extension.is_empty() {
        command.args(["-extensions", "ext"]);
    }
    run(command.args(odd.options));
    std::fs::read(out).unwrap()
}

fn make_key(kind: &str, path: &Path) {
    let (algorithm, rest) = kind.split_once(':').unwrap_or((kind, ""));
    let mut command = Command::new("openssl");
    let curve =
        |options: &[&'static str]| [&["ecparam", "-genkey", "-noout"][..], options, &["-name"]].concat();
    match algorithm {
        "ec" => command.args(curve(&[])).arg(rest),
        "explicit" => command.args(curve(&["-param_enc", "explicit"])).arg(rest),
        "compressed" => command.args(curve(&["-conv_form", "compressed"])).arg(rest),
        "dsa" => {
            let parameters = path.with_extension("param");
            run(Command::new("openssl").args(["dsaparam", "-out"]).arg(&parameters).arg(rest));
            return run(Command::new("openssl").args(["gendsa", "-out"]).arg(path).arg(parameters));
        }
        _ => {
            let options = rest.split(',').filter(|option| !option.is_empty());
            command.args(["genpkey", "-algorithm", algorithm]);
            command.args(options.flat_map(|option| ["-pkeyopt", option]))
        }
    };
    run(command.arg("-out").arg(path));
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Certificates whose texts differ.
#[derive(Default)]
struct Compared {
    different: Vec<String>,
}

impl Compared {
    fn add(&mut self, what: &str, der: &[u8]) {
        let theirs = openssl(der).unwrap_or_else(|| panic!("{what}: openssl does not print it"));
        match text::certificate(der) {
            None => self.different.push(format!("{what}: not parsed")),
            Some(ours) if ours.octets != theirs => {
                self.different.push(format!("{what}: {}", difference(&ours.octets, &theirs)));
            }
            Some(ours) if !ours.different.is_empty() => {
                self.different.push(format!("{what}: {:?}", ours.different))
            }
            Some(_) => {}
        }
    }

    #[track_caller]
    fn assert_none(self) {
        assert!(self.different.is_empty(), "{}", self.different.join("\n"));
    }
}

/// The lines from the first that differs to the last.
fn difference(ours: &[u8], theirs: &[u8]) -> String {
    let (mut ours, mut theirs) = (shown(ours), shown(theirs));
    while ours.first() == theirs.first() && !ours.is_empty() {
        ours.remove(0);
        theirs.remove(0);
    }
    while ours.last() == theirs.last() && !ours.is_empty() {
        ours.pop();
        theirs.pop();
    }
    format!("\n  ours   {ours:?}\n  theirs {theirs:?}")
}

/// As lines, so that a difference can be found.
fn shown(text: &[u8]) -> Vec<String> {
    text.split(|&octet| octet == b'\n').map(|line| line.escape_ascii().to_string()).collect()
}

fn openssl(der: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new("openssl")
        .args(["x509", "-inform", "DER", "-text", "-noout"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _ = child.stdin.take().unwrap().write_all(der);
    let output = child.wait_with_output().unwrap();
    output.status.success().then_some(output.stdout)
}

fn unloadable(text: &[u8]) -> bool {
    String::from_utf8_lossy(text).contains("Unable to load Public Key")
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn releases() -> Vec<PathBuf> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ca");
    let Ok(entries) = std::fs::read_dir(&data) else {
        println!("skipped: {} does not exist", data.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "txt")).collect()
}

/// A linear congruential generator (Knuth's): the same damage in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

const SUBJECTS: &[(&str, &str)] = &[
    ("plain", "/C=XX/ST=A/L=B/O=C/OU=D/CN=E/emailAddress=f@example.org"),
    ("utf-8", "/O=Főtanúsítvány/CN=日本語 😀"),
    ("quotes", "/O=A, B; C/CN=say \"x\" \\\\ y + z = <w>"),
    ("edges", "/O= leading/OU=trailing /CN=#hash/L=#/ST= "),
    ("several in one", "/CN=one+OU=two+O=three/DC=example/DC=org"),
    (
        "rare",
        "/serialNumber=1/street=2/postalCode=3/businessCategory=4/SN=5/GN=6/UID=7/title=8/x500UniqueIdentifier=9",
    ),
    ("unknown type", "/1.2.3.4=x/2.5.4.97=VATXX-1/jurisdictionC=XX/CN=y"),
    ("control", "/CN=tab\tand\u{7f}delete"),
];
const KEYS: &[&str] = &[
    "rsa:rsa_keygen_bits:1024",
    "rsa:rsa_keygen_bits:1031,rsa_keygen_pubexp:3",
    "rsa:rsa_keygen_bits:2048,rsa_keygen_pubexp:18446744073709551617",
    "rsa-pss:rsa_keygen_bits:1024",
    "rsa-pss:rsa_keygen_bits:1024,rsa_pss_keygen_md:sha256,rsa_pss_keygen_mgf1_md:sha512,rsa_pss_keygen_saltlen:20",
    "rsa-pss:rsa_keygen_bits:1024,rsa_pss_keygen_md:sha1,rsa_pss_keygen_mgf1_md:sha1,rsa_pss_keygen_saltlen:20",
    "ec:prime256v1",
    "ec:secp384r1",
    "ec:secp521r1",
    "ec:secp224r1",
    "ec:secp256k1",
    "ec:brainpoolP384r1",
    "ec:sect233k1",
    "compressed:prime256v1",
    "explicit:prime256v1",
    "explicit:secp384r1",
    "ed25519",
    "ed448",
    "dsa:1024",
];
const SERIALS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-2",
    "-128",
    "0x7fffffffffffffff",
    "0x8000000000000000",
    "-0x8000000000000000",
    "-0x8000000000000001",
    "0xffffffffffffffff",
    "0x10000000000000000",
    "0x0123456789abcdef0123456789abcdef01234567",
    "-0x0123456789abcdef0123456789abcdef01234567",
    "0xff23456789abcdef0123456789abcdef01234567",
];
const OPTIONS: &[(&str, &[&str])] = &[
    ("ed25519", &["-days", "40000"]),
    ("ed25519", &["-days", "10000"]),
    ("rsa:rsa_keygen_bits:1024", &["-sha1"]),
    ("rsa:rsa_keygen_bits:1024", &["-sha384"]),
    ("rsa:rsa_keygen_bits:1024", &["-md5"]),
    ("rsa:rsa_keygen_bits:1024", &["-sha256", "-sigopt", "rsa_padding_mode:pss"]),
    (
        "rsa:rsa_keygen_bits:1024",
        &["-sha1", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:20"],
    ),
    (
        "rsa:rsa_keygen_bits:1024",
        &["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_mgf1_md:sha512"],
    ),
    ("ec:prime256v1", &["-sha512"]),
    ("ec:prime256v1", &["-sha1"]),
    ("ec:prime256v1", &["-sha3-256"]),
    ("dsa:1024", &["-sha1"]),
];
const EXTENSIONS: &[&str] = &[
    "basicConstraints=CA:FALSE",
    "basicConstraints=critical,CA:TRUE,pathlen:0",
    "basicConstraints=CA:TRUE,pathlen:12|subjectKeyIdentifier=hash|authorityKeyIdentifier=keyid",
    "subjectKeyIdentifier=hash|authorityKeyIdentifier=keyid,issuer:always",
    "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,dataEncipherment,keyAgreement,keyCertSign,cRLSign,encipherOnly,decipherOnly",
    "keyUsage=DER:03:01:00",
    "keyUsage=DER:03:02:07:80:ff",
    "keyUsage=DER:03:02:09:80",
    "extendedKeyUsage=critical,serverAuth,clientAuth,codeSigning,emailProtection,timeStamping,OCSPSigning,1.2.3.4.5,anyExtendedKeyUsage",
    "nsCertType=client,server,email,objsign,sslCA,emailCA,objCA|nsComment=a comment|nsCaPolicyUrl=http://example.org/|nsSslServerName=x",
    "subjectAltName=email:a@example.org,DNS:example.org,URI:http://example.org/,IP:192.0.2.1,IP:2001:db8::1,RID:1.2.3.4,RID:2.5.4.3",
    "subjectAltName=critical,dirName:dn2,otherName:1.2.3.4;UTF8:some text,otherName:1.2.3.4;IA5:more,otherName:1.2.3.5;INTEGER:7|[dn2]|C=XX|O=A, B|CN=Főtan",
    "subjectAltName=otherName:msUPN;UTF8:a@b,otherName:1.3.6.1.5.5.7.8.5;UTF8:xmpp,otherName:1.3.6.1.5.5.7.8.7;IA5:_srv,otherName:1.3.6.1.5.5.7.8.9;UTF8:m@ü,otherName:1.3.6.1.5.5.7.8.8;UTF8:realm",
    "subjectAltName=dirName:dn2|[dn2]|C=XX|O=a/b + c|1.CN=one|+CN=two|OU=tab\\ttab",
    "subjectAltName=dirName:dn2|[dn2]|0.OU=0123456789012345678901234567890123456789012345678901234567890|1.OU=0123456789012345678901234567890123456789012345678901234567890|2.OU=0123456789012345678901234567890123456789012345678901234567890|3.OU=012345678901234567890123456789012345678901234567890123456789|4.OU=5",
    "subjectAltName=DER:30:00",
    "subjectAltName=DER:30:05:82:03:61:00:62",
    "subjectAltName=DER:30:05:87:03:01:02:03",
    "subjectAltName=DER:30:02:a3:00",
    "subjectAltName=DER:30:02:a5:00",
    "issuerAltName=email:a@example.org,URI:ftp://example.org/",
    "crlDistributionPoints=URI:http://example.org/a.crl,URI:ldap://example.org/b",
    "crlDistributionPoints=one,two,three|[one]|fullname=URI:http://example.org/a.crl|CRLissuer=dirName:dn2|reasons=keyCompromise,CACompromise|[two]|relativename=dn3|[three]|reasons=superseded,unused|CRLissuer=dirName:dn2|[dn2]|C=XX|CN=y, z|[dn3]|CN=part|+OU=more",
    "freshestCRL=URI:http://example.org/a.crl",
    "issuingDistributionPoint=critical,@idp|[idp]|fullname=URI:http://example.org/a.crl|indirectCRL=TRUE|onlysomereasons=keyCompromise,CACompromise",
    "issuingDistributionPoint=@idp|[idp]|onlyuser=TRUE",
    "issuingDistributionPoint=DER:30:00",
    "authorityInfoAccess=OCSP;URI:http://example.org/,caIssuers;URI:http://example.org/x.crt,caIssuers;email:a@example.org,1.2.3.4;dirName:dn2|[dn2]|C=XX|CN=y",
    "subjectInfoAccess=caRepository;URI:http://example.org/",
    "certificatePolicies=1.2.3.4,2.5.29.32.0,@p1,@p2|[p1]|policyIdentifier=1.3.5.8|CPS.1=http://example.org/cps|CPS.2=http://example.org/more|userNotice.1=@n1|[p2]|policyIdentifier=1.3.5.9|userNotice.1=@n2|userNotice.2=@n3|[n1]|explicitText=Plain text|organization=Org|noticeNumbers=1,2,3|[n2]|explicitText=UTF8:Főtan|[n3]|explicitText=BMP:bmp text|organization=Org|noticeNumbers=9",
    "certificatePolicies=ia5org,@p1|[p1]|policyIdentifier=1.3.5.8|userNotice.1=@n1|[n1]|organization=Org|noticeNumbers=4",
    "certificatePolicies=DER:30:16:30:14:06:02:2a:03:30:0e:30:0c:06:02:2a:04:30:06:0c:01:61:0c:01:62",
    "policyMappings=1.2.3.4:1.2.3.5,2.5.29.32.0:1.2.3.6|policyConstraints=critical,requireExplicitPolicy:3,inhibitPolicyMapping:0|inhibitAnyPolicy=2",
    "policyConstraints=inhibitPolicyMapping:1",
    "policyConstraints=DER:30:00",
    "nameConstraints=critical,permitted;DNS:example.org,permitted;IP:192.0.2.0/255.255.255.0,permitted;IP:2001:db8::/ffff:ffff::,excluded;email:.example.net,excluded;dirName:dn2|[dn2]|C=XX|CN=y",
    "nameConstraints=excluded;URI:example.org",
    "nameConstraints=permitted;otherName:1.2.3.4;UTF8:text,permitted;otherName:msUPN;UTF8:@example.org,permitted;RID:1.2.3",
    "nameConstraints=DER:30:00",
    "nameConstraints=DER:30:09:a0:07:30:05:87:03:01:02:03",
    "tlsfeature=status_request,status_request_v2,23",
    "noCheck=ignored",
    "crlNumber=DER:02:11:7f:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff|inhibitAnyPolicy=DER:02:10:7f:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff:ff",
    "inhibitAnyPolicy=DER:02:01:ff",
    "authorityKeyIdentifier=DER:30:00",
    "authorityKeyIdentifier=DER:30:06:80:04:01:02:03:04",
    "authorityKeyIdentifier=DER:30:0a:80:04:01:02:03:04:82:02:00:ff",
    "authorityKeyIdentifier=DER:30:03:82:01:80",
    "subjectKeyIdentifier=DER:04:00",
    "2.5.29.16=DER:30:22:80:0f:32:30:32:36:30:31:30:31:30:30:30:30:30:30:5a:81:0f:32:30:33:36:31:32:33:31:32:33:35:39:35:39:5a",
    "2.5.29.16=DER:30:11:81:0f:32:30:33:36:31:32:33:31:32:33:35:39:35:39:5a",
    "1.2.3.4=DER:0c:05:68:65:6c:6c:6f|1.2.3.5=critical,ASN1:UTF8String:line\\nline|1.2.840.113533.7.65.0=DER:30:0a:1b:04:56:35:2e:30:03:02:04:90",
    "1.3.6.1.4.1.311.20.2=ASN1:BMPString:CA|1.3.6.1.4.1.311.21.1=ASN1:INTEGER:0",
    "extendedKeyUsage=DER:30:00",
    "authorityInfoAccess=DER:30:00",
    "crlDistributionPoints=DER:30:00",
    "crlDistributionPoints=DER:30:02:30:00",
    "crlDistributionPoints=DER:30:0b:30:09:a0:07:a0:05:87:03:01:02:03",
    "crlDistributionPoints=DER:30:18:30:16:a0:14:a0:12:87:10:20:01:0d:b8:00:00:00:00:00:00:00:00:00:00:00:01",
    "policyMappings=DER:30:00",
    "subjectAltName=DER:30:0a:a5:08:a1:06:0c:04:61:62:63:64",
    "certificatePolicies=DER:30:00",
    "tlsfeature=DER:30:00",
];
/// Extensions whose octets are worth damaging.
const RICH: &[&str] = &[
    "subjectAltName=email:a@example.org,DNS:example.org,IP:192.0.2.1,RID:1.2.3.4,dirName:dn2,otherName:msUPN;UTF8:a@b|nameConstraints=critical,permitted;DNS:example.org,permitted;IP:192.0.2.0/255.255.255.0,excluded;dirName:dn2|[dn2]|C=XX|O=A, B",
    "certificatePolicies=@p1|crlDistributionPoints=one|authorityInfoAccess=OCSP;URI:http://example.org/|[p1]|policyIdentifier=1.3.5.8|CPS.1=http://example.org/cps|userNotice.1=@n1|[n1]|explicitText=UTF8:Plain|organization=Org|noticeNumbers=1,2|[one]|fullname=URI:http://example.org/a.crl|reasons=keyCompromise",
    "basicConstraints=critical,CA:TRUE,pathlen:3|keyUsage=keyCertSign,cRLSign|extendedKeyUsage=serverAuth|subjectKeyIdentifier=hash|authorityKeyIdentifier=keyid,issuer:always|nsCertType=sslCA|nsComment=hello|policyConstraints=requireExplicitPolicy:3|policyMappings=1.2.3.4:1.2.3.5|tlsfeature=status_request",
];
