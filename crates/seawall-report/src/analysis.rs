//! [`Analysis`]: what was found in access logs, as plain data. Written as JSON it is what `docs/reference/analysis.md`
//! describes: names are added to it, and none changes its meaning without another `version`.

mod page;

use serde::{Serialize, Serializer};

use crate::number;

pub use page::page;

/// All that was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Analysis {
    /// Of this form: 1.
    pub version: u32,
    /// What made it, with its version.
    pub program: String,
    /// The logs.
    pub logs: Vec<Log>,
    /// Of all requests.
    pub totals: Totals,
    /// Requests and bytes over the time of the logs.
    pub course: Course,
    /// What a rule may stop, the earliest onset first.
    pub storms: Vec<Storm>,
    /// What must get no rule.
    pub crowds: Vec<Storm>,
    /// The requests that `tops` and `tables` count.
    pub counted: Counted,
    /// The greatest values of each fact by each measure.
    pub tops: Vec<Top>,
    /// Cross tables.
    pub tables: Vec<Table>,
    /// What is not known, a sentence each.
    pub unknown: Vec<String>,
    /// Sentences, such as that all clients are a CDN's addresses.
    pub warnings: Vec<String>,
}

/// A log and its lines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Log {
    /// As the command line named it.
    pub name: String,
    /// Its formats: nearly always one.
    pub formats: Vec<String>,
    /// Its lines, those that cannot be read included.
    pub lines: u64,
    /// Lines that cannot be read, by reason.
    pub rejected: serde_json::Map<String, serde_json::Value>,
    /// Some of them.
    pub examples: Vec<Example>,
}

impl Log {
    /// Lines that cannot be read.
    pub fn rejected_total(&self) -> u64 {
        self.rejected.values().filter_map(serde_json::Value::as_u64).sum()
    }
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// From 1.
    pub line: u64,
    /// Why, in one word.
    pub reason: String,
    /// Its beginning, printable.
    pub text: String,
}

/// Seconds since the epoch, written as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Time(pub u64);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&number::rfc3339(self.0))
    }
}

/// Of all requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Totals {
    /// Lines that tell of a request.
    pub requests: u64,
    /// Bytes of content sent.
    pub bytes: u64,
    /// Bytes of content that the origin sent; `None` if the logs do not tell.
    pub origin_bytes: Option<u64>,
    /// Seconds for which the origin was busy; `None` if the logs do not tell.
    pub origin_seconds: Option<f64>,
    /// Lines that tell of something that is no request of HTTP.
    pub no_requests: u64,
    /// Requests without a time or a client's address: not looked at for storms.
    pub left_out: u64,
    /// Requests too much out of order: not looked at for storms.
    pub late: u64,
    /// Spans of ten minutes and more without a request, which are skipped.
    pub gaps: u64,
    /// The earliest time.
    pub from: Option<Time>,
    /// The latest.
    pub to: Option<Time>,
}

/// Requests and bytes over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Course {
    /// Seconds of a step.
    pub step_seconds: u64,
    /// Steps with requests; the others are left out.
    pub steps: Vec<Step>,
}

/// One step of a course.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Its beginning.
    pub at: Time,
    /// Requests in it.
    pub requests: u64,
    /// Bytes sent in it.
    pub bytes: u64,
}

/// A storm or crowd.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Storm {
    /// The same for the same log.
    pub id: String,
    /// `storm`, or which kind of crowd.
    pub nature: String,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
    /// Where it was in its life when the log ended: `growing`, `steady`, `paused` or `cleared`.
    pub phase: String,
    /// The fewest facts that name it, one each.
    pub signature: Vec<String>,
    /// All facts that hold for at least 99 % of it.
    pub described: Vec<String>,
    /// Why it is what it is, a sentence each.
    pub grounds: Vec<String>,
    /// When it began.
    pub onset: Time,
    /// When it was last seen.
    pub last: Time,
    /// Requests; an estimate.
    pub requests: f64,
    /// Bytes sent; an estimate.
    pub bytes: f64,
    /// Distinct clients.
    pub clients: Bound,
    /// Over ten seconds.
    pub peak_requests_per_second: f64,
    /// Its course.
    pub curve: Option<Curve>,
    /// The rule that it would get.
    pub rule: Option<Rule>,
    /// Why it gets none.
    pub no_rule: Option<String>,
    /// What a rule of the signature matches of everything else.
    pub collateral: Option<Collateral>,
    /// Where its people live, if that shows.
    pub time_zone: Option<Zone>,
}

/// The greatest rate of each step, after a storm was named.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curve {
    /// The first step's beginning.
    pub from: Time,
    /// Seconds of a step.
    pub step_seconds: u64,
    /// One value for each step.
    pub requests_per_second: Vec<f64>,
}

/// A proposed rule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// In a sentence.
    pub description: String,
    /// As a rule file has it.
    pub toml: String,
}

/// An estimate; with 95 % confidence not above `upper`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bound {
    /// The best guess.
    pub value: f64,
    /// What it does not exceed.
    pub upper: f64,
}

/// What a rule matches of everything else, as shares 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Collateral {
    /// Of requests.
    pub requests: Bound,
    /// Of clients.
    pub clients: Bound,
    /// Exchanges that this rests on.
    pub sample: u64,
}

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Zone {
    /// Local time minus UTC, hours.
    pub offset_hours: i8,
    /// To either side.
    pub uncertainty_hours: u8,
    /// Days watched.
    pub days: u32,
}

/// The requests that are counted: all, or those for which conditions hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// The conditions, as they were written.
    pub conditions: Vec<String>,
    /// Requests.
    pub requests: u64,
    /// Bytes sent.
    pub bytes: u64,
    /// Distinct clients.
    pub clients: Bound,
    /// Requests of which the log does not show what the conditions ask for: not counted.
    pub unjudged: u64,
}

/// The greatest values of one fact by one measure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Top {
    /// The fact.
    pub fact: String,
    /// `requests`, `bytes`, `origin-bytes` or `origin-time`.
    pub measure: String,
    /// Whether every amount is exact.
    pub exact: bool,
    /// Distinct values; `None` if there are more than were kept.
    pub distinct: Option<u64>,
    /// Requests whose line does not show the fact.
    pub not_shown: u64,
    /// The greatest first.
    pub values: Vec<TopValue>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopValue {
    /// `None` where the request has no such fact.
    pub value: Option<String>,
    /// Of the measure's sum, 0 to 1.
    pub share: f64,
    /// At least so many.
    pub requests: u64,
    /// At least so many.
    pub bytes: u64,
    /// `None` if the logs do not tell.
    pub origin_bytes: Option<u64>,
    /// `None` if the logs do not tell.
    pub origin_seconds: Option<f64>,
    /// By how much the amount of the measure may be too low, in its unit (microseconds of `origin-time`).
    pub error: u64,
}

/// Requests by the values of several facts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// The facts.
    pub facts: Vec<String>,
    /// Whether every amount is exact.
    pub exact: bool,
    /// Distinct rows; `None` if there are more than were kept.
    pub distinct: Option<u64>,
    /// Those with most requests first.
    pub rows: Vec<Row>,
    /// Requests in no row that is shown.
    pub other_requests: u64,
    /// Requests of which the line shows none of the facts.
    pub not_shown: u64,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// One for each fact.
    pub values: Vec<Cell>,
    /// At least so many.
    pub requests: u64,
    /// By how much `requests` may be too low.
    pub error: u64,
    /// Of the requests that are counted, 0 to 1.
    pub share: f64,
    /// At least so many.
    pub bytes: u64,
    /// Distinct clients.
    pub clients: Bound,
}

/// The value of a fact in a row.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Cell {
    /// The line does not show it.
    NotShown,
    /// The request has none.
    Absent,
    /// It.
    Value(String),
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct NotShown {
            not_shown: bool,
        }
        match self {
            Self::NotShown => NotShown { not_shown: true }.serialize(serializer),
            Self::Absent => serializer.serialize_none(),
            Self::Value(value) => serializer.serialize_str(value),
        }
    }
}

/// Below this confidence, a storm is one perhaps.
const SURE_MIN: f64 = 0.8;

impl Storm {
    /// Whether it is more than likely to be what it is called.
    pub fn is_sure(&self) -> bool {
        self.confidence >= SURE_MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An analysis that has some of everything.
    pub(super) fn sample() -> Analysis {
        let clients = Bound { value: 3.0, upper: 3.0 };
        Analysis {
            version: 1,
            program: "seawall 0".to_owned(),
            logs: vec![Log {
                name: "access.log".to_owned(),
                formats: vec!["combined".to_owned()],
                lines: 12,
                rejected: [("columns".to_owned(), 1.into())].into_iter().collect(),
                examples: vec![Example { line: 3, reason: "columns".to_owned(), text: "x".to_owned() }],
            }],
            totals: Totals {
                requests: 11,
                bytes: 110,
                from: Some(Time(600)),
                to: Some(Time(900)),
                ..Totals::default()
            },
            course: Course {
                step_seconds: 60,
                steps: (10..15)
                    .map(|minute| Step { at: Time(minute * 60), requests: minute, bytes: 5 })
                    .collect(),
            },
            storms: vec![Storm {
                id: "s0ABC12".to_owned(),
                nature: "storm".to_owned(),
                confidence: 0.6,
                phase: "cleared".to_owned(),
                signature: vec!["method = POST".to_owned()],
                described: vec!["method = POST".to_owned(), "protocol = HTTP/1.1".to_owned()],
                grounds: vec!["it comes from 3 clients".to_owned()],
                onset: Time(660),
                last: Time(780),
                requests: 5.0,
                bytes: 50.0,
                clients,
                peak_requests_per_second: 1.5,
                curve: Some(Curve {
                    from: Time(660),
                    step_seconds: 10,
                    requests_per_second: vec![1.0, 1.5, 1.0],
                }),
                rule: Some(Rule {
                    name: "r".to_owned(),
                    description: "deny".to_owned(),
                    toml: "[[rule]]\n".to_owned(),
                }),
                no_rule: None,
                collateral: None,
                time_zone: None,
            }],
            crowds: Vec::new(),
            counted: Counted { requests: 11, bytes: 110, clients, ..Counted::default() },
            tops: vec![Top {
                fact: "path".to_owned(),
                measure: "requests".to_owned(),
                exact: true,
                distinct: Some(1),
                not_shown: 0,
                values: vec![TopValue {
                    value: Some("/a".to_owned()),
                    share: 1.0,
                    requests: 11,
                    bytes: 110,
                    origin_bytes: None,
                    origin_seconds: None,
                    error: 0,
                }],
            }],
            tables: vec![Table {
                facts: vec!["path".to_owned(), "network".to_owned()],
                exact: true,
                distinct: Some(1),
                rows: vec![Row {
                    values: vec![Cell::Value("/a".to_owned()), Cell::Value("192.0.2.0/24".to_owned())],
                    requests: 11,
                    error: 0,
                    share: 1.0,
                    bytes: 110,
                    clients,
                }],
                other_requests: 0,
                not_shown: 0,
            }],
            unknown: vec!["the log does not show: host".to_owned()],
            warnings: Vec::new(),
        }
    }

    #[test]
    fn times_and_cells_are_written_as_the_reference_says() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json["totals"]["from"], "1970-01-01T00:10:00Z");
        assert_eq!(json["tables"][0]["rows"][0]["values"][1], "192.0.2.0/24");
        let cells = [Cell::NotShown, Cell::Absent];
        assert_eq!(serde_json::to_value(cells).unwrap(), serde_json::json!([{ "not_shown": true }, null]));
        assert_eq!(serde_json::to_value(Time(u64::MAX)).unwrap(), "9999-12-31T23:59:59Z");
    }
}
