//! The rows about storms.

use super::{Section, required, value, words};

pub(crate) static DETECT: Section = Section {
    path: "[detect]",
    doc: "How storms are looked for: what is new in the traffic and costs much. Everything is kept in memory, within a bound. Takes effect at the next start.",
    keys: &[
        value("enabled", "boolean", "true", "Whether storms are looked for."),
        value("learning-time", "duration, 10s to 30d", "\"5m\"", "Nothing is called a storm before the traffic was watched for so long: what is new shows only beside what is usual. The last 90 s of it, or the last half if that is less, are not yet part of what is usual."),
        value("memory", "size, 16 MiB to 4 GiB", "\"64 MiB\"", "What the samples of past and present may take. More of it tells rarer things apart."),
        value("least-share", "share, 1 % to 100 %", "\"20 %\"", "A rise that adds less than this share to the site's usual cost, by each measure, is nobody's trouble.")
            .foreign(&["threshold", "sensitivity"]),
        words("least-rise", "table", "all its defaults", "{ requests = 10 }", "A rise that adds less than this per second, by each measure, is nobody's trouble, whatever its share: see [least-rise](#detectleast-rise)."),
        value("least-time", "duration, 1s to 1h", "\"3s\"", "What lasts less is no storm."),
        value("pause-time", "duration, 1s to 1d", "\"1m\"", "A storm of which hardly anything is left for so long has paused. If it comes back it is the same storm."),
        value("clear-time", "duration, 1s to 30d", "\"30m\"", "A storm of which hardly anything is left for so long is over: the machine takes its rules back."),
        value("evidence", "`\"asked\"` or `\"storms\"`", "\"asked\"", "When evidence is opened, which keeps what up to 200 exchanges of a storm looked like (names of fields, length and type of content; no address) for 72 hours: when somebody asks for it, or for each storm that begins while none is open. Content is only kept if somebody asks."),
        value("least-clients", "whole number, 2 to 32", "20", "A network is shown only with at least so many clients behind it: in the list of storms, in reports, in evidence, anywhere. More than 32 clients of a network are not counted, so no more can be asked for.")
            .foreign(&["k-anonymity", "k"]),
    ],
    later: &[],
};

pub(crate) static LEAST_RISE: Section = Section {
    path: "detect.least-rise",
    doc: "Cost per second. A rise counts if it reaches one of them.",
    keys: &[
        value("requests", "whole number, 1 to 1000000000", "1", "Requests."),
        value("bytes", "speed", "\"100 kB/s\"", "Bytes of content sent to clients."),
        value("origin-bytes", "speed", "\"100 kB/s\"", "Bytes of content that origins sent."),
        value(
            "origin-time",
            "duration, 1ms to 1h",
            "\"50ms\"",
            "Time for which origins were busy, in each second: `\"100ms\"` is a tenth of one exchange at a time.",
        ),
    ],
    later: &[],
};

pub(crate) static STORMS: Section = Section {
    path: "[storms]",
    doc: "What may be done about storms without asking. At the top level for every site; as `[site.storms]` after a `[[site]]` for that site alone, key by key. Rules of the machine expire, and are taken back when other traffic suffers.",
    keys: &[
        value(
            "auto",
            "\"off\", \"propose\", \"limit\" or \"deny\"",
            "\"propose\"",
            "`off` names storms and proposes nothing. `propose` proposes rules, and somebody accepts them. `limit` puts rules in force that slow a storm down, answer it from the cache, or refuse a wrong method with 405. `deny` puts rules in force that refuse it, too.",
        )
        .foreign(&["mode", "action", "automatic"]),
        value("least-confidence", "share, 50 % to 100 %", "\"90 %\"", "The least confidence that it is a storm of this signature, for a rule to be put in force."),
        value("most-collateral", "share, 0.0001 % to 100 %", "\"0.1 %\"", "The most of everybody else, by requests and by clients, that a rule may match: by the best guess to be proposed, with 95 % confidence to be put in force unasked and kept."),
        value("most-rules", "whole number, 0 to 100", "8", "Rules of the machine in force at once. What somebody accepted does not count."),
        value("life", "duration, 1m to 366d", "\"1d\"", "For how long a rule is made.").foreign(&["ttl", "duration", "expires"]),
        value("longest-life", "duration, 1m to 366d", "\"30d\"", "For how long a rule is in force at the most, however often it is made anew."),
        value("renew", "boolean", "true", "Whether a rule is made anew while its storm lasts."),
        words("only-above", "table", "always", "{ requests = 500 }", "Rules are put in force only above a load: see [only-above](#stormsonly-above). They are proposed all the same."),
        value("observe-time", "duration, 0s to 1d", "\"10s\"", "For how long a rule only counts, before it acts on anybody."),
        value("part-time", "duration, 0s to 1d", "\"20s\"", "For how long it then acts on a part of the clients, before it acts on all."),
        value("part", "share, 1 % to 99 %", "\"25 %\"", "That part, in whole percent: as `portion` of a [rule](#rule)."),
        value("retry-time", "duration, 1s to 30d", "\"10m\"", "How long it takes until a rule that was taken back is tried again; twice as long each time."),
        value("longest-retry-time", "duration, 1s to 30d", "\"1d\"", "The longest such time."),
    ],
    later: &[],
};

pub(crate) static ONLY_ABOVE: Section = Section {
    path: "storms.only-above",
    doc: "A load, reached if one of those given is.",
    keys: &[
        words("requests", "whole number, 1 to 1000000000", "not looked at", "500", "Requests per second."),
        words(
            "origin-busy",
            "whole number, 1 to 1000000000",
            "not looked at",
            "50",
            "Exchanges at the origins at once, on average.",
        ),
        words(
            "server-errors",
            "share",
            "not looked at",
            "\"1 %\"",
            "The share of exchanges that end in 5xx.",
        )
        .foreign(&["errors", "5xx"]),
    ],
    later: &[],
};

pub(crate) static DECLARED_GOOD: Section = Section {
    path: "[[declared-good]]",
    doc: "Clients that no rule of the machine may ever match: your own monitoring, a partner's crawler, an app of yours. What they cause is named, and gets no rule. Rules that people write match them as everybody else.",
    keys: &[
        required(
            "name",
            "name",
            "\"monitoring\"",
            "For the log and for reports: lower-case letters, digits, `-`, `_`, `.`; at most 64.",
        ),
        required(
            "match",
            "table",
            "{ client = \"192.0.2.0/24\" }",
            "Who they are, by facts of the request: see [match](#match). Anybody can claim a user agent; an address is harder to borrow.",
        ),
    ],
    later: &[],
};
