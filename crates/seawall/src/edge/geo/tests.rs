use std::net::IpAddr;

use ipnet::IpNet;

use super::*;

/// A value as the format has it (MaxMind DB File Format Specification 2.0).
enum Value {
    Text(&'static str),
    U16(u16),
    U32(u32),
    U64(u64),
    Map(Vec<(&'static str, Value)>),
    List(Vec<Value>),
}

impl Value {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => {
                match text.len() {
                    len @ 0..29 => out.push(2 << 5 | len as u8),
                    len => out.extend([2 << 5 | 29, (len - 29) as u8]),
                }
                out.extend_from_slice(text.as_bytes());
            }
            Self::U16(number) => {
                out.push(5 << 5 | 2);
                out.extend(number.to_be_bytes());
            }
            Self::U32(number) => {
                out.push(6 << 5 | 4);
                out.extend(number.to_be_bytes());
            }
            Self::U64(number) => {
                out.extend([8, 9 - 7]);
                out.extend(number.to_be_bytes());
            }
            Self::Map(pairs) => {
                out.push(7 << 5 | pairs.len() as u8);
                for (key, value) in pairs {
                    Value::Text(key).write(out);
                    value.write(out);
                }
            }
            Self::List(values) => {
                out.extend([values.len() as u8, 11 - 7]);
                values.iter().for_each(|value| value.write(out));
            }
        }
    }
}

/// Writes a database of both families. Networks do not overlap.
fn database(kind: &'static str, records: Vec<(&str, Value)>) -> Vec<u8> {
    #[derive(Clone, Copy)]
    enum Record {
        Nothing,
        Node(usize),
        Data(usize),
    }
    let mut nodes = vec![[Record::Nothing; 2]];
    let mut data = Vec::new();
    for (network, value) in records {
        let (bits, len) = match network.parse().unwrap() {
            IpNet::V4(network) => (u128::from(network.network().to_bits()), 96 + network.prefix_len()),
            IpNet::V6(network) => (network.network().to_bits(), network.prefix_len()),
        };
        let mut at = 0;
        for depth in 0..len {
            let side = (bits >> (127 - depth) & 1) as usize;
            if depth + 1 == len {
                nodes[at][side] = Record::Data(data.len());
            } else if let Record::Node(next) = nodes[at][side] {
                at = next;
            } else {
                nodes.push([Record::Nothing; 2]);
                nodes[at][side] = Record::Node(nodes.len() - 1);
                at = nodes.len() - 1;
            }
        }
        value.write(&mut data);
    }
    let mut out = Vec::new();
    for record in nodes.iter().flatten() {
        let number = match record {
            Record::Nothing => nodes.len(),
            Record::Node(node) => *node,
            Record::Data(offset) => nodes.len() + 16 + offset,
        };
        out.extend(&(number as u32).to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    Value::Map(vec![
        ("binary_format_major_version", Value::U16(2)),
        ("binary_format_minor_version", Value::U16(0)),
        ("build_epoch", Value::U64(1_700_000_000)),
        ("database_type", Value::Text(kind)),
        ("description", Value::Map(vec![("en", Value::Text("made by a test"))])),
        ("ip_version", Value::U16(6)),
        ("languages", Value::List(vec![Value::Text("en")])),
        ("node_count", Value::U32(nodes.len() as u32)),
        ("record_size", Value::U16(24)),
    ])
    .write(&mut out);
    out
}

fn country(code: &'static str) -> Value {
    Value::Map(vec![(
        "country",
        Value::Map(vec![("geoname_id", Value::U32(7)), ("iso_code", Value::Text(code))]),
    )])
}

fn system(number: u32) -> Value {
    Value::Map(vec![("autonomous_system_number", Value::U32(number))])
}

fn open(databases: &[Vec<u8>]) -> Result<Geo, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let paths: Vec<PathBuf> = databases
        .iter()
        .enumerate()
        .map(|(number, database)| {
            let path = folder.path().join(format!("{number}.mmdb"));
            std::fs::write(&path, database).unwrap();
            path
        })
        .collect();
    Geo::open(&paths)
}

fn at(geo: &Geo, addr: &str) -> (Seen<String>, Seen<u32>) {
    let locality = geo.locate(addr.parse::<IpAddr>().unwrap());
    (locality.country.map(|code| String::from_utf8(code.to_vec()).unwrap()), locality.asn)
}

#[test]
fn countries_and_systems_come_from_whichever_database_has_them() {
    let countries = vec![("192.0.2.0/24", country("CH")), ("2001:db8::/33", country("JP"))];
    let systems = vec![("192.0.2.128/25", system(64_496)), ("198.51.100.0/24", system(64_511))];
    let geo = open(&[database("Country", countries), database("ASN", systems)]).unwrap();
    let country = |code: &str| Seen::Value(code.to_owned());
    assert_eq!(at(&geo, "192.0.2.1"), (country("CH"), Seen::Absent));
    assert_eq!(at(&geo, "192.0.2.200"), (country("CH"), Seen::Value(64_496)));
    assert_eq!(at(&geo, "198.51.100.1"), (Seen::Absent, Seen::Value(64_511)));
    assert_eq!(at(&geo, "2001:db8:1::1"), (country("JP"), Seen::Absent));
    assert_eq!(at(&geo, "2001:db8:8000::1"), (Seen::Absent, Seen::Absent));
    assert_eq!(at(&geo, "203.0.113.1"), (Seen::Absent, Seen::Absent));
}

#[test]
fn without_a_database_nothing_is_known() {
    assert_eq!(at(&open(&[]).unwrap(), "192.0.2.1"), (Seen::Unknown, Seen::Unknown));
    let only_systems = open(&[database("ASN", vec![("192.0.2.0/24", system(7))])]).unwrap();
    assert_eq!(at(&only_systems, "192.0.2.1"), (Seen::Unknown, Seen::Value(7)));
}

#[test]
fn flat_records_are_read_too_and_the_first_database_counts() {
    let flat = Value::Map(vec![("asn", Value::Text("AS64500")), ("country_code", Value::Text("SE"))]);
    let first = database("ipinfo lite", vec![("192.0.2.0/24", flat)]);
    let second = database("Country", vec![("192.0.0.0/16", country("FI"))]);
    let geo = open(&[first, second]).unwrap();
    assert_eq!(at(&geo, "192.0.2.1"), (Seen::Value("SE".to_owned()), Seen::Value(64_500)));
    assert_eq!(at(&geo, "192.0.3.1"), (Seen::Value("FI".to_owned()), Seen::Absent));
}

#[test]
fn every_unusable_database_is_told() {
    let names = Value::Map(vec![("names", Value::Text("x"))]);
    let problems = open(&[b"no database".to_vec(), database("Other", vec![("192.0.2.0/24", names)])]);
    let problems = problems.err().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("cannot use ") && problems[0].contains("0.mmdb: "), "{problems:?}");
    assert!(problems[1].contains("no countries or autonomous systems in it (its type is Other)"));
    assert!(Geo::open(&[PathBuf::from("/nonexistent/a.mmdb")]).is_err());
}

/// What is damaged or hostile is an error or says nothing; it does not panic.
#[test]
fn damaged_databases_do_no_harm() {
    let whole = database("Country", vec![("192.0.2.0/24", country("CH")), ("10.0.0.0/8", country("DE"))]);
    for at in 0..whole.len() {
        for value in [0, 0xff, whole[at] ^ 0x20] {
            let mut damaged = whole.clone();
            damaged[at] = value;
            if let Ok(geo) = open(&[damaged]) {
                for addr in ["192.0.2.1", "10.1.1.1", "2001:db8::1"] {
                    let _ = geo.locate(addr.parse().unwrap());
                }
            }
        }
    }
}
