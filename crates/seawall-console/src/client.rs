//! The command line's side of the admin API.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, StatusCode};
use seawall_report::Account;
use serde::de::DeserializeOwned;
use serde_json::Value;

mod listener;

use crate::control::{
    AcceptRequest, CacheView, EvidenceRequest, EvidenceView, Intermediary, LimitTable, OriginView,
    ProposalView, PurgeRequest, Purged, Reloaded, RuleChange, RuleView, Status, StormTable, StormView,
};
use crate::problem::Problem;
use crate::token::Token;

/// Asks the admin API of a running process; blocks until it answers.
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    admin: SocketAddr,
    base: String,
    token: Token,
}

/// Why a process did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens.
    #[error("no Seawall answers at {base}: is it running, and is this its admin address?")]
    NotRunning {
        /// Where it was sought.
        base: String,
    },
    /// The process has another token.
    #[error("the process at {base} does not take this token: it uses another state folder")]
    WrongToken {
        /// Where it listens.
        base: String,
    },
    /// Somebody else listens there, who must not get the token.
    #[error("user {user} listens at {base}, but the token belongs to user {owner}: it is not sent")]
    OtherUser {
        /// Where it was sought.
        base: String,
        /// Whose socket it is.
        user: u32,
        /// Whose token it is.
        owner: u32,
    },
    /// Something else listens there.
    #[error("what answers at {base} is not Seawall's admin API ({what})")]
    NotSeawall {
        /// Where it was sought.
        base: String,
        /// What was odd about its answer.
        what: String,
    },
    /// It did not answer in time, or the connection broke.
    #[error("the process at {base} did not answer: {what}")]
    NoAnswer {
        /// Where it listens.
        base: String,
        /// What happened.
        what: String,
    },
    /// The process says no.
    #[error("{}", .0.detail)]
    Refused(Problem),
}

impl Client {
    /// A client of the process that listens at `admin` and takes this token. Nothing is sent yet.
    pub fn new(admin: SocketAddr, token: Token) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Loopback is reached directly, whatever the environment says of proxies.
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIME_MAX))
            .timeout_global(Some(ANSWER_TIME_MAX))
            .build();
        Self { agent: config.into(), admin, base: format!("http://{admin}"), token }
    }

    /// What the process is and runs.
    ///
    /// # Errors
    /// See [`ClientError`]; so for all that follow.
    pub fn status(&self) -> Result<Status, ClientError> {
        self.ask(Method::GET, "/api/v1/status", None)
    }

    /// Its rules in order.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn rules(&self) -> Result<Vec<RuleView>, ClientError> {
        self.ask(Method::GET, "/api/v1/rules", None)
    }

    /// Adds rules, in this order among themselves: all of them, or none.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn add_rules(&self, definitions: &[Value]) -> Result<Vec<RuleView>, ClientError> {
        self.ask(Method::POST, "/api/v1/rules", Some(&Value::from(definitions)))
    }

    /// Changes the state of a rule.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn change_rule(&self, name: &str, change: RuleChange) -> Result<RuleView, ClientError> {
        let name = encode(name);
        match change {
            RuleChange::Enable => self.ask(Method::POST, &format!("/api/v1/rules/{name}/enable"), None),
            RuleChange::Disable => self.ask(Method::POST, &format!("/api/v1/rules/{name}/disable"), None),
            RuleChange::Retire => self.ask(Method::DELETE, &format!("/api/v1/rules/{name}"), None),
        }
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn reload(&self) -> Result<Reloaded, ClientError> {
        self.ask(Method::POST, "/api/v1/reload", None)
    }

    /// Peers that look like a proxy for many.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn intermediaries(&self) -> Result<Vec<Intermediary>, ClientError> {
        self.ask(Method::GET, "/api/v1/intermediaries", None)
    }

    /// The limits and their table.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn limits(&self) -> Result<LimitTable, ClientError> {
        self.ask(Method::GET, "/api/v1/limits", None)
    }

    /// The origin servers.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn origins(&self) -> Result<Vec<OriginView>, ClientError> {
        self.ask(Method::GET, "/api/v1/origins", None)
    }

    /// What its cache holds and did.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn cache(&self) -> Result<CacheView, ClientError> {
        self.ask(Method::GET, "/api/v1/cache", None)
    }

    /// Has stored responses purged.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn purge(&self, request: &PurgeRequest) -> Result<Purged, ClientError> {
        self.ask(Method::POST, "/api/v1/cache/purge", Some(&serde_json::json!(request)))
    }

    /// What is new in the traffic and costs much.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn storms(&self) -> Result<StormTable, ClientError> {
        self.ask(Method::GET, "/api/v1/storms", None)
    }

    /// One storm.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn storm(&self, id: &str) -> Result<StormView, ClientError> {
        self.ask(Method::GET, &format!("/api/v1/storms/{}", encode(id)), None)
    }

    /// The proposals that stand.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn proposals(&self) -> Result<Vec<ProposalView>, ClientError> {
        self.ask(Method::GET, "/api/v1/proposals", None)
    }

    /// Puts a proposed rule in force.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn accept_proposal(&self, id: &str, request: &AcceptRequest) -> Result<RuleView, ClientError> {
        let path = format!("/api/v1/proposals/{}/accept", encode(id));
        self.ask(Method::POST, &path, Some(&serde_json::json!(request)))
    }

    /// Says no to a proposal.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn decline_proposal(&self, id: &str) -> Result<ProposalView, ClientError> {
        self.ask(Method::POST, &format!("/api/v1/proposals/{}/decline", encode(id)), None)
    }

    /// All that is known of a storm.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn account(&self, id: &str) -> Result<Account, ClientError> {
        self.ask(Method::GET, &format!("/api/v1/storms/{}/account", encode(id)), None)
    }

    /// Begins to collect what exchanges of a storm look like.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn open_evidence(&self, id: &str, request: &EvidenceRequest) -> Result<EvidenceView, ClientError> {
        let path = format!("/api/v1/storms/{}/evidence", encode(id));
        self.ask(Method::POST, &path, Some(&serde_json::json!(request)))
    }

    /// What was collected.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn evidence(&self, id: &str) -> Result<EvidenceView, ClientError> {
        self.ask(Method::GET, &format!("/api/v1/storms/{}/evidence", encode(id)), None)
    }

    /// Ends collecting, and deletes what was collected.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn delete_evidence(&self, id: &str) -> Result<(), ClientError> {
        self.ask(Method::DELETE, &format!("/api/v1/storms/{}/evidence", encode(id)), None)
    }

    fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content: Option<&Value>,
    ) -> Result<T, ClientError> {
        self.check_listener()?;
        let content = content.map_or_else(String::new, Value::to_string);
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base))
            .header(http::header::AUTHORIZATION, self.token.authorization());
        if !content.is_empty() {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(content).map_err(|error| self.no_answer(&error))?;
        let mut response = self.agent.run(request).map_err(|error| self.explain(&error))?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.map_err(|error| self.no_answer(&error))?;
        let status = response.status();
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|error| self.not_seawall(error.to_string()));
        }
        match serde_json::from_str::<Problem>(&text) {
            Ok(_) if status == StatusCode::UNAUTHORIZED => {
                Err(ClientError::WrongToken { base: self.base.clone() })
            }
            Ok(problem) => Err(ClientError::Refused(problem)),
            Err(_) => Err(self.not_seawall(format!("status {}", status.as_u16()))),
        }
    }

    /// While Seawall does not run, anyone on the machine may listen at its port and wait for the token.
    fn check_listener(&self) -> Result<(), ClientError> {
        match (self.token.owner(), listener::owner(self.admin)) {
            // Root may have bound the socket for it, and could read the token anyway.
            (owner, Some(user)) if user != owner && user != 0 => {
                Err(ClientError::OtherUser { base: self.base.clone(), user, owner })
            }
            _ => Ok(()),
        }
    }

    fn explain(&self, error: &ureq::Error) -> ClientError {
        match error {
            ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                ClientError::NotRunning { base: self.base.clone() }
            }
            ureq::Error::ConnectionFailed | ureq::Error::HostNotFound => {
                ClientError::NotRunning { base: self.base.clone() }
            }
            ureq::Error::Protocol(error) => self.not_seawall(error.to_string()),
            other => self.no_answer(other),
        }
    }

    fn no_answer(&self, error: &dyn std::error::Error) -> ClientError {
        ClientError::NoAnswer { base: self.base.clone(), what: error.to_string() }
    }

    fn not_seawall(&self, what: String) -> ClientError {
        ClientError::NotSeawall { base: self.base.clone(), what }
    }
}

/// A rule's name needs no encoding, but what was typed for one may.
fn encode(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    name.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// Longer than the server's own bound, so that its explanation arrives.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(40);

/// A hundred thousand rules with their definitions.
const ANSWER_BYTES_MAX: u64 = 256 << 20;
