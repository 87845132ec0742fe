//! The admin API over real sockets, on a process that is made up.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use seawall_console::client::ClientError;
use seawall_console::control::{
    AcceptMode, AcceptRequest, CacheView, Control, ControlError, CostView, EvidenceRequest, EvidenceView,
    ExhibitView, Intermediary, LimitTable, OriginView, ProposalView, PurgeRequest, Purged, Readiness,
    Reloaded, RuleChange, RuleState, RuleView, Status, StormTable, StormView,
};
use seawall_console::metrics::Snapshot;
use seawall_console::{Client, Problem, Server, Token, serve};
use seawall_report::Account;
use serde_json::{Value, json};

/// A process that keeps its rules in memory.
struct Process {
    readiness: AtomicU8,
    rules: Mutex<Vec<RuleView>>,
    /// `origins` tells that it was called, and waits to be let go.
    gate: (SyncSender<()>, Mutex<Receiver<()>>),
}

impl Process {
    fn add_rule(&self, definition: &Value) -> Result<RuleView, ControlError> {
        let Some(name) = definition["name"].as_str() else {
            let problems =
                vec!["name: a rule needs a name".to_owned(), "match: nothing would be matched".to_owned()];
            return Err(ControlError::Invalid { problems });
        };
        assert_ne!(name, "panic", "this is on purpose");
        let mut rules = self.rules.lock().expect("lock");
        if rules.iter().any(|rule| rule.name == name) {
            return Err(ControlError::Conflict { why: format!("there is a rule {name:?} already") });
        }
        rules.push(RuleView {
            name: name.to_owned(),
            state: RuleState::Enabled,
            revision: 1,
            description: "a rule".to_owned(),
            matches: 0,
            expires: None,
            author: "operator".to_owned(),
            storm: None,
            proposal: None,
            accepted: false,
            definition: definition.clone(),
        });
        Ok(rules[rules.len() - 1].clone())
    }
}

fn storm() -> StormView {
    StormView {
        id: "s0ABC12".to_owned(),
        signature: vec!["method = POST".to_owned()],
        rate: CostView { requests: 18.5, ..CostView::default() },
        proposal: Some("p0XYZ34".to_owned()),
        ..StormView::default()
    }
}

fn proposal() -> ProposalView {
    ProposalView { id: "p0XYZ34".to_owned(), storm: "s0ABC12".to_owned(), ..ProposalView::default() }
}

impl Control for Process {
    fn readiness(&self) -> Readiness {
        [Readiness::Starting, Readiness::Ready, Readiness::Draining]
            [usize::from(self.readiness.load(Relaxed))]
    }

    fn status(&self) -> Status {
        Status {
            version: "0.1.0".to_owned(),
            pid: 7,
            readiness: self.readiness(),
            started: 1_586_390_400,
            uptime_seconds: 60,
            configuration: None,
            state: "/var/lib/seawall".to_owned(),
            listeners: Vec::new(),
            sites: Vec::new(),
            workers: 2,
            ruleset_generation: 3,
        }
    }

    fn metrics(&self) -> Snapshot {
        Snapshot { workers: 2, ..Snapshot::default() }
    }

    fn rules(&self) -> Vec<RuleView> {
        self.rules.lock().expect("lock").clone()
    }

    fn add_rules(&self, definitions: &[Value]) -> Result<Vec<RuleView>, ControlError> {
        definitions.iter().map(|definition| self.add_rule(definition)).collect()
    }

    fn change_rule(&self, name: &str, change: RuleChange) -> Result<RuleView, ControlError> {
        let mut rules = self.rules.lock().expect("lock");
        let position = rules.iter().position(|rule| rule.name == name);
        let position = position.ok_or_else(|| ControlError::NotFound { name: name.to_owned() })?;
        rules[position].state = match change {
            RuleChange::Enable => RuleState::Enabled,
            RuleChange::Disable => RuleState::Disabled,
            RuleChange::Retire => {
                let retired = RuleView { state: RuleState::Retired, ..rules.remove(position) };
                return Ok(retired);
            }
        };
        Ok(rules[position].clone())
    }

    fn reload(&self) -> Result<Reloaded, ControlError> {
        Err(ControlError::Conflict { why: "this process runs without a configuration file".to_owned() })
    }

    fn intermediaries(&self) -> Vec<Intermediary> {
        Vec::new()
    }

    fn limits(&self) -> LimitTable {
        LimitTable { keys: 1, keys_max: 2, evictions: 3, limits: Vec::new() }
    }

    fn origins(&self) -> Vec<OriginView> {
        self.gate.0.send(()).expect("the test waits");
        self.gate.1.lock().expect("lock").recv().expect("the test lets go");
        Vec::new()
    }

    fn cache(&self) -> CacheView {
        CacheView { hits: 7, ..CacheView::default() }
    }

    fn storms(&self) -> StormTable {
        StormTable { enabled: true, learning_seconds: 0, storms: vec![storm()] }
    }

    fn storm(&self, id: &str) -> Result<StormView, ControlError> {
        match id {
            "s0ABC12" => Ok(storm()),
            _ => Err(ControlError::Gone { what: format!("no storm is named {id}") }),
        }
    }

    fn proposals(&self) -> Vec<ProposalView> {
        vec![proposal()]
    }

    fn accept_proposal(&self, id: &str, request: &AcceptRequest) -> Result<RuleView, ControlError> {
        if id != "p0XYZ34" {
            return Err(ControlError::Gone { what: format!("no proposal {id} stands") });
        }
        let definition = json!({ "name": "storm-s0abc12", "accepted-as": request });
        let rule = self.add_rule(&definition)?;
        Ok(RuleView { accepted: true, proposal: Some(id.to_owned()), ..rule })
    }

    fn decline_proposal(&self, id: &str) -> Result<ProposalView, ControlError> {
        match id {
            "p0XYZ34" => Ok(proposal()),
            _ => Err(ControlError::Conflict { why: "storms are not looked for".to_owned() }),
        }
    }

    fn account(&self, id: &str) -> Result<Account, ControlError> {
        self.storm(id)?;
        Ok(serde_json::from_str(ACCOUNT).expect("an account"))
    }

    fn open_evidence(&self, id: &str, request: &EvidenceRequest) -> Result<EvidenceView, ControlError> {
        self.storm(id)?;
        match request.exchanges {
            Some(0) => {
                Err(ControlError::Invalid { problems: vec!["evidence keeps 1 to 200 exchanges".to_owned()] })
            }
            _ => Ok(EvidenceView { storm: id.to_owned(), collecting: true, ..EvidenceView::default() }),
        }
    }

    fn evidence(&self, id: &str) -> Result<EvidenceView, ControlError> {
        self.storm(id)?;
        let exhibit = ExhibitView { method: "POST".to_owned(), ..ExhibitView::default() };
        Ok(EvidenceView { storm: id.to_owned(), exhibits: vec![exhibit], ..EvidenceView::default() })
    }

    fn delete_evidence(&self, id: &str) -> Result<(), ControlError> {
        self.storm(id).map(drop)
    }

    fn purge(&self, request: &PurgeRequest) -> Result<Purged, ControlError> {
        match &request.url {
            Some(url) if url.contains("unknown") => {
                Err(ControlError::Invalid { problems: vec!["no site has the host unknown".to_owned()] })
            }
            url => Ok(Purged {
                purged: url.iter().cloned().collect(),
                all: request.all,
                soft: request.soft,
                durable: true,
            }),
        }
    }
}

struct Running {
    process: Arc<Process>,
    server: Option<Server>,
    address: SocketAddr,
    token: Token,
    entered: Mutex<Receiver<()>>,
    release: SyncSender<()>,
}

struct Answer {
    status: u16,
    fields: BTreeMap<String, String>,
    content: String,
}

/// One that no other test has, of the user who runs this.
fn fresh_token() -> Token {
    static MADE: AtomicU8 = AtomicU8::new(0);
    Token::new([MADE.fetch_add(1, Relaxed); 32], rustix::process::geteuid().as_raw())
}

impl Running {
    fn new() -> Self {
        let token = fresh_token();
        let (enter, entered) = sync_channel(8);
        let (release, released) = sync_channel(8);
        let process = Arc::new(Process {
            readiness: AtomicU8::new(1),
            rules: Mutex::default(),
            gate: (enter, Mutex::new(released)),
        });
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let server = serve(listener, Arc::clone(&process) as Arc<dyn Control>, token.clone()).expect("serve");
        let address = server.address();
        Self { process, server: Some(server), address, token, entered: Mutex::new(entered), release }
    }

    fn token(&self) -> String {
        self.token.text().to_owned()
    }

    fn client(&self) -> Client {
        Client::new(self.address, self.token.clone())
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
        stream
    }

    /// Sends a request with a loopback `Host`, and these fields.
    fn ask(&self, method: &str, path: &str, fields: &[&str], content: &str) -> Answer {
        let host = format!("Host: {}", self.address);
        let mut all = vec![host.as_str()];
        all.extend(fields);
        self.ask_as(method, path, &all, content)
    }

    fn ask_as(&self, method: &str, path: &str, fields: &[&str], content: &str) -> Answer {
        let mut stream = self.connect();
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let length = content.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{fields}\r\n"
        );
        // The server may answer, and close, before it has read everything.
        _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(content.as_bytes()));
        read(&mut stream)
    }

    /// With the token.
    fn ask_trusted(&self, method: &str, path: &str, content: &str) -> Answer {
        let authorization = format!("Authorization: Bearer {}", self.token());
        self.ask(method, path, &[&authorization, "Content-Type: application/json"], content)
    }
}

fn read(stream: &mut TcpStream) -> Answer {
    let mut text = Vec::new();
    // A reset after the answer is fine: it was sent before all content was read.
    _ = stream.read_to_end(&mut text);
    let text = String::from_utf8(text).expect("utf-8");
    let (head, content) = text.split_once("\r\n\r\n").expect("a header section");
    let (status, fields) = head.split_once("\r\n").expect("fields");
    let fields = fields.lines().filter_map(|line| line.split_once(": "));
    Answer {
        status: status.split(' ').nth(1).expect("status").parse().expect("number"),
        fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        content: content.to_owned(),
    }
}

impl Answer {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }

    /// The problem that this answer is.
    #[track_caller]
    fn problem(&self, status: u16) -> Problem {
        assert_eq!(
            (self.status, self.field("content-type")),
            (status, "application/problem+json"),
            "{}",
            self.content
        );
        let problem: Problem = serde_json::from_str(&self.content).expect("a problem");
        assert_eq!(problem.status, status);
        problem
    }
}

// === who may ask ===

#[test]
fn probes_and_metrics_need_no_token() {
    let running = Running::new();
    assert_eq!(running.ask("GET", "/healthz", &[], "").content, "alive\n");
    assert_eq!(running.ask("GET", "/readyz", &[], "").content, "ready\n");
    let metrics = running.ask("GET", "/metrics", &[], "");
    assert_eq!(metrics.field("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(metrics.content.contains("\nseawall_workers 2\n") && metrics.content.ends_with("# EOF\n"));
    assert_eq!(running.ask("HEAD", "/metrics", &[], "").content, "");
    assert_eq!(running.ask("GET", "/openapi.json", &[], "").status, 200);
}

#[test]
fn readiness_is_503_while_starting_and_draining() {
    let running = Running::new();
    for (state, status, text) in [(0, 503, "starting\n"), (1, 200, "ready\n"), (2, 503, "draining\n")] {
        running.process.readiness.store(state, Relaxed);
        let answer = running.ask("GET", "/readyz", &[], "");
        assert_eq!((answer.status, answer.content.as_str()), (status, text));
        assert_eq!(running.ask("GET", "/healthz", &[], "").status, 200);
    }
}

#[test]
fn the_api_needs_the_token() {
    let running = Running::new();
    let token = running.token();
    let wrong = [
        vec![],
        vec!["Authorization: Bearer".to_owned()],
        vec![format!("Authorization: Bearer {}", &token[1..])],
        vec![format!("Authorization: Bearer {token}x")],
        vec![format!("Authorization: Basic {token}")],
        vec![format!("Authorization: {token}")],
        vec![format!("Authorization: Bearer {token}"), format!("Authorization: Bearer {token}")],
    ];
    for fields in wrong {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = running.ask("GET", "/api/v1/rules", &fields, "");
        answer.problem(401);
        assert_eq!(answer.field("www-authenticate"), "Bearer realm=\"seawall admin\"");
        assert!(!answer.content.contains(&token));
    }
    assert_eq!(running.ask_trusted("GET", "/api/v1/rules", "").status, 200);
    let field = format!("authorization: bearer {token}");
    assert_eq!(running.ask("GET", "/api/v1/rules", &[&field], "").status, 200);
}

#[test]
fn a_page_whose_name_was_made_to_point_here_gets_nothing() {
    let running = Running::new();
    let port = running.address.port();
    for host in
        ["Host: evil.example", &format!("Host: evil.example:{port}"), "Host: 192.0.2.1", "Host:", "X: y"]
    {
        for path in ["/metrics", "/healthz", "/api/v1/rules", "/openapi.json", "/none"] {
            running.ask_as("GET", path, &[host], "").problem(421);
        }
    }
    running.ask_as("GET", "http://evil.example/metrics", &["Host: localhost"], "").problem(421);
    for host in ["localhost", "127.0.0.1", "[::1]:1", &format!("LocalHost:{port}")] {
        assert_eq!(running.ask_as("GET", "/healthz", &[&format!("Host: {host}")], "").status, 200, "{host}");
    }
}

#[test]
fn no_other_origin_is_ever_allowed() {
    let running = Running::new();
    let fields = ["Origin: http://evil.example", "Access-Control-Request-Method: POST"];
    for (method, path) in [("OPTIONS", "/api/v1/rules"), ("GET", "/metrics"), ("POST", "/api/v1/reload")] {
        let answer = running.ask(method, path, &fields, "");
        assert!(!answer.fields.keys().any(|name| name.starts_with("access-control")), "{:?}", answer.fields);
        assert_eq!(answer.field("cache-control"), "no-store");
    }
}

#[test]
fn only_a_loopback_address_is_served() {
    let process = Running::new();
    let listener = TcpListener::bind("0.0.0.0:0").expect("bind");
    let token = fresh_token();
    let error =
        serve(listener, Arc::clone(&process.process) as Arc<dyn Control>, token).expect_err("refused");
    assert!(error.to_string().contains("loopback only"), "{error}");
}

// === what it answers ===

#[test]
fn rules_are_added_listed_disabled_enabled_and_retired() {
    let running = Running::new();
    let client = running.client();
    let definition = json!({ "name": "qqgamehall", "action": "deny" });
    let added = client.add_rules(std::slice::from_ref(&definition)).expect("added");
    assert_eq!(added.len(), 1);
    assert_eq!(added[0].definition, definition);
    assert_eq!(client.rules().expect("rules").len(), 1);
    let change = |change| client.change_rule("qqgamehall", change).expect("changed").state;
    assert_eq!(change(RuleChange::Disable), RuleState::Disabled);
    assert_eq!(change(RuleChange::Enable), RuleState::Enabled);
    assert_eq!(change(RuleChange::Retire), RuleState::Retired);
    assert!(client.rules().expect("rules").is_empty());
    let error = client.change_rule("../status", RuleChange::Enable).expect_err("none");
    assert_eq!(error.to_string(), "there is no rule \"../status\"");
}

#[test]
fn the_client_tells_what_to_purge_and_what_was() {
    let running = Running::new();
    let client = running.client();
    let url = "https://site.example/feed".to_owned();
    let request = PurgeRequest { url: Some(url.clone()), soft: true, ..PurgeRequest::default() };
    let purged = client.purge(&request).expect("purged");
    assert_eq!(purged, Purged { purged: vec![url], all: false, soft: true, durable: true });
    let unknown = PurgeRequest { url: Some("https://unknown/".to_owned()), ..PurgeRequest::default() };
    assert_eq!(client.purge(&unknown).expect_err("none").to_string(), "no site has the host unknown");
    assert_eq!(client.cache().expect("cache").hits, 7);
}

#[test]
fn storms_and_proposals_are_told_and_proposals_accepted_or_declined() {
    let running = Running::new();
    let client = running.client();
    assert_eq!(client.storms().expect("storms").storms, [storm()]);
    assert_eq!(client.storm("s0ABC12").expect("storm"), storm());
    assert_eq!(client.proposals().expect("proposals"), [proposal()]);
    let request = AcceptRequest { mode: Some(AcceptMode::Observe), seconds: Some(60), by: None };
    let rule = client.accept_proposal("p0XYZ34", &request).expect("accepted");
    assert_eq!(rule.definition["accepted-as"], json!({ "mode": "observe", "seconds": 60 }));
    assert_eq!(client.decline_proposal("p0XYZ34").expect("declined"), proposal());
    let error = client.storm("../status").expect_err("none").to_string();
    assert_eq!(error, "no storm is named ../status");
}

#[test]
fn accepting_takes_no_content_and_says_where_the_rule_is() {
    let running = Running::new();
    let answer = running.ask_trusted("POST", "/api/v1/proposals/p0XYZ34/accept", "");
    assert_eq!((answer.status, answer.field("location")), (201, "/api/v1/rules/storm-s0abc12"));
    running.ask_trusted("POST", "/api/v1/proposals/p0XYZ34/accept", "").problem(409);
    running.ask_trusted("POST", "/api/v1/proposals/p000000/accept", "{}").problem(404);
    let problem = running.ask_trusted("POST", "/api/v1/proposals/p0XYZ34/accept", "{\"mod\":1}").problem(422);
    assert!(problem.detail.contains("unknown field `mod`"), "{problem:?}");
    running.ask_trusted("POST", "/api/v1/proposals/p0XYZ34/accept", "{").problem(400);
    running.ask("POST", "/api/v1/proposals/p0XYZ34/accept", &[], "").problem(401);
    running.ask_trusted("POST", "/api/v1/proposals/p000000/decline", "").problem(409);
    running.ask_trusted("GET", "/api/v1/storms/s000000", "").problem(404);
}

#[test]
fn a_purge_that_is_none_says_why() {
    let running = Running::new();
    let problem = running.ask_trusted("POST", "/api/v1/cache/purge", "{\"uri\":\"x\"}").problem(422);
    assert!(problem.detail.contains("unknown field `uri`"), "{problem:?}");
    running.ask_trusted("POST", "/api/v1/cache/purge", "{").problem(400);
    running.ask("POST", "/api/v1/cache/purge", &[], "{\"all\":true}").problem(401);
    running.ask_trusted("GET", "/api/v1/cache/purge", "").problem(405);
}

#[test]
fn a_new_rule_says_where_it_is() {
    let running = Running::new();
    let answer = running.ask_trusted("POST", "/api/v1/rules", "{\"name\":\"x\"}");
    assert_eq!((answer.status, answer.field("location")), (201, "/api/v1/rules/x"));
    assert_eq!(running.ask_trusted("GET", answer.field("location"), "").status, 200);
    running.ask_trusted("POST", "/api/v1/rules", "{\"name\":\"x\"}").problem(409);
}

#[test]
fn every_error_is_a_problem_that_says_what_to_do() {
    let running = Running::new();
    let problem = running.ask_trusted("POST", "/api/v1/rules", "{}").problem(422);
    assert_eq!(problem.errors, ["name: a rule needs a name", "match: nothing would be matched"]);
    let problem = running.ask_trusted("POST", "/api/v1/rules", "{\"name\":").problem(400);
    assert!(problem.detail.contains("this is not JSON"), "{problem:?}");
    running.ask_trusted("GET", "/api/v1/rules/none", "").problem(404);
    running.ask_trusted("GET", "/api/v1/rules/%ff", "").problem(400);
    running.ask_trusted("GET", "/api/v2", "").problem(404);
    running.ask_trusted("POST", "/api/v1/reload", "").problem(409);
    let answer = running.ask_trusted("PUT", "/api/v1/rules", "");
    answer.problem(405);
    assert_eq!(answer.field("allow"), "GET,HEAD,POST");
    let authorization = format!("Authorization: Bearer {}", running.token());
    running.ask("POST", "/api/v1/rules", &[&authorization], "{\"name\":\"x\"}").problem(415);
}

#[test]
fn content_beyond_the_bound_is_refused() {
    let running = Running::new();
    let content = format!("{{\"name\":\"{}\"}}", "x".repeat(8 << 20));
    running.ask_trusted("POST", "/api/v1/rules", &content).problem(413);
    let content = format!("{{\"name\":\"{}\"}}", "x".repeat((8 << 20) - 20));
    assert_eq!(running.ask_trusted("POST", "/api/v1/rules", &content).status, 201);
}

#[test]
fn a_mistake_in_one_call_is_a_500_and_no_more() {
    let running = Running::new();
    running.ask_trusted("POST", "/api/v1/rules", "{\"name\":\"panic\"}").problem(500);
    assert_eq!(running.ask_trusted("GET", "/api/v1/status", "").status, 200);
}

// === what it holds up ===

#[test]
fn a_call_that_waits_does_not_hold_up_a_probe() {
    let running = Running::new();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| running.ask_trusted("GET", "/api/v1/origins", "").status);
        running.entered.lock().expect("lock").recv().expect("called");
        assert_eq!(running.ask("GET", "/healthz", &[], "").status, 200);
        assert_eq!(running.ask_trusted("GET", "/api/v1/status", "").status, 200);
        running.release.send(()).expect("waits");
        assert_eq!(waiting.join().expect("thread"), 200);
    });
}

#[test]
fn connections_beyond_the_bound_wait_for_one_to_end() {
    let running = Running::new();
    let mut idle: Vec<TcpStream> = (0..64).map(|_| running.connect()).collect();
    // Each is answered once, so each holds its place.
    for stream in &mut idle {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("write");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("read");
        assert_eq!(&status, b"HTTP/1.1 200");
    }
    let mut next = running.connect();
    next.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("write");
    next.set_read_timeout(Some(Duration::from_millis(100))).expect("timeout");
    assert!(next.read(&mut [0]).is_err(), "it waits");
    drop(idle.pop());
    next.set_read_timeout(Some(Duration::from_secs(20))).expect("timeout");
    assert_eq!(read(&mut next).status, 200);
}

#[test]
fn stopping_lets_a_running_request_end_and_closes_idle_connections() {
    let mut running = Running::new();
    let server = running.server.take().expect("runs");
    let mut idle = running.connect();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| running.ask_trusted("GET", "/api/v1/origins", "").status);
        running.entered.lock().expect("lock").recv().expect("called");
        let stopping = scope.spawn(|| server.stop());
        // It is told to stop when it closes what is idle.
        assert_eq!(idle.read(&mut [0]).expect("closed"), 0);
        running.release.send(()).expect("waits");
        assert_eq!(waiting.join().expect("thread"), 200);
        stopping.join().expect("thread");
    });
    assert!(TcpStream::connect(running.address).is_err());
}

// === the other side ===

#[test]
fn the_client_says_what_is_wrong() {
    let running = Running::new();
    let other = Running::new();
    let stranger = Client::new(running.address, other.token.clone());
    let error = stranger.status().expect_err("refused");
    assert!(matches!(error, ClientError::WrongToken { .. }), "{error}");
    assert!(error.to_string().contains("uses another state folder"), "{error}");

    let nobody = TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let error = Client::new(nobody, running.token.clone()).status().expect_err("nobody");
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error}");
}

#[test]
fn the_client_tells_another_server_from_seawall() {
    let running = Running::new();
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n",
        "SSH-2.0-x\r\n",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("address");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("accept");
            _ = stream.read(&mut [0; 4096]);
            _ = stream.write_all(answer.as_bytes());
        });
        let error = Client::new(address, running.token.clone()).status().expect_err("odd");
        assert!(matches!(error, ClientError::NotSeawall { .. }), "{answer}: {error:?}");
        server.join().expect("thread");
    }
}

// === the description ===

/// Every operation of the description, with its path and the status codes that it announces.
fn operations() -> Vec<(String, String, Vec<u16>)> {
    let description: Value =
        serde_json::from_str(&seawall_console::openapi().expect("description")).expect("JSON");
    let paths = description["paths"].as_object().expect("paths").iter();
    paths
        .flat_map(|(path, methods)| {
            methods.as_object().expect("methods").iter().map(move |(method, operation)| {
                let responses = operation["responses"].as_object().expect("responses").keys();
                let statuses = responses.map(|status| status.parse().expect("status")).collect();
                (method.to_uppercase(), path.clone(), statuses)
            })
        })
        .collect()
}

#[test]
fn the_description_names_every_operation_with_its_errors() {
    let operations = operations();
    assert_eq!(operations.len(), 26);
    for (method, path, statuses) in operations {
        assert_eq!(statuses.contains(&401), path.starts_with("/api/"), "{method} {path}");
        assert!(statuses.iter().any(|status| (200..300).contains(status)), "{method} {path}");
    }
}

#[test]
fn the_description_has_no_loose_ends() {
    let text = seawall_console::openapi().expect("description");
    let description: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(description["openapi"], "3.1.0");
    let schemas = description["components"]["schemas"].as_object().expect("schemas");
    for reference in text.split("\"$ref\": \"").skip(1).filter_map(|rest| rest.split('"').next()) {
        let pointer = reference.strip_prefix('#').expect("within");
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    for (name, schema) in schemas {
        assert!(schema["description"].is_string(), "{name}");
        for (property, schema) in schema["properties"].as_object().into_iter().flatten() {
            let described = schema["description"].is_string() || schema["$ref"].is_string();
            assert!(described, "{name}.{property}");
        }
    }
}

fn json_like() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z0-9-]{1,8}".prop_map(|name| json!({ "name": name }).to_string()),
        "\\PC{0,20}".prop_map(|name| json!({ "name": name, "match": [1, null] }).to_string()),
        "\\PC{0,30}",
        Just("[".repeat(5000)),
    ]
}

#[test]
fn whatever_is_sent_the_answer_is_one_that_is_described() {
    let running = Running::new();
    let described = operations();
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 300, ..ProptestConfig::default() });
    let inputs = (0..described.len(), "[a-z.%/ -]{1,10}|\\PC{1,6}", json_like(), any::<bool>());
    let outcome = runner.run(&inputs, |(operation, name, content, trusted)| {
        let (method, path, statuses) = &described[operation];
        // This one would wait.
        prop_assume!(path != "/api/v1/origins" && !content.contains("panic"));
        let name: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let path = path.replace("{name}", &name);
        let answer = match trusted {
            true => running.ask_trusted(method, &path, &content),
            false => running.ask(method, &path, &[], &content),
        };
        prop_assert!(
            statuses.contains(&answer.status),
            "{method} {path} gave {}: {}",
            answer.status,
            answer.content
        );
        prop_assert!(answer.status < 500, "{method} {path}: {}", answer.content);
        if answer.status >= 400 && path.starts_with("/api/") {
            answer.problem(answer.status);
        }
        Ok(())
    });
    outcome.expect("all described");
}

const ACCOUNT: &str = r#"{"id":"s0ABC12","site":"site.example","made":9,"program":"seawall","nature":"storm","signature":["method = POST"],
"described":[],"phase":"growing","onset":1,"named":2,"last":3,
"rate":{"requests":1.0,"bytes":2.0,"origin-bytes":2.0,"origin-seconds":0.5},
"peak":{"requests":1.0,"bytes":2.0,"origin-bytes":2.0,"origin-seconds":0.5},
"total":{"requests":1.0,"bytes":2.0,"origin-bytes":2.0,"origin-seconds":0.5},
"usual":null,"clients":{"value":1.0,"upper":2.0},"curve":[],"tops":[],"networks":[],"least-clients":20,"zone":null,"week":null,
"interval":null,"collateral":null,"rule":null,"reasons":[],"actions":[],"effect":null,"unknown":[]}"#;

#[test]
fn an_account_and_evidence_travel() {
    let running = Running::new();
    let client = running.client();
    let account = client.account("s0ABC12").expect("an account");
    assert_eq!((account.id.as_str(), account.rate.origin_seconds), ("s0ABC12", 0.5));
    let asked = EvidenceRequest { content: true, exchanges: Some(20) };
    assert!(client.open_evidence("s0ABC12", &asked).expect("evidence").collecting);
    assert_eq!(client.evidence("s0ABC12").expect("evidence").exhibits[0].method, "POST");
    client.delete_evidence("s0ABC12").expect("deleted");
    for error in [
        client.open_evidence("s0ABC12", &EvidenceRequest { exchanges: Some(0), ..asked }).expect_err("none"),
        client.evidence("s9ZZZ99").expect_err("none"),
        client.delete_evidence("s9ZZZ99").expect_err("none"),
        client.account("s9ZZZ99").expect_err("none"),
    ] {
        assert!(error.to_string().contains("1 to 200") || error.to_string().contains("s9ZZZ99"), "{error}");
    }
}
