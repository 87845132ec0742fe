//! The routes of the admin API, and what each answers.

pub(crate) mod storms;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, body::Bytes};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;
use utoipa::OpenApi as _;

use crate::control::{
    CacheView, Control, Intermediary, LimitTable, OriginView, PurgeRequest, Purged, Readiness, Reloaded,
    RuleChange, RuleView, Status,
};
use crate::openapi::Description;
use crate::problem::Problem;
use crate::token::Token;
use crate::{guard, metrics};

/// The process that is asked.
type Api = Arc<dyn Control>;

/// Every route, with its checks.
pub(crate) fn router(api: Api, token: Arc<Token>) -> Router {
    let guarded = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/rules", get(rules).post(add_rule))
        .route("/api/v1/rules/{name}", get(rule).delete(retire_rule))
        .route("/api/v1/rules/{name}/enable", post(enable_rule))
        .route("/api/v1/rules/{name}/disable", post(disable_rule))
        .route("/api/v1/storms", get(storms::storms))
        .route("/api/v1/storms/{id}", get(storms::storm))
        .route("/api/v1/storms/{id}/account", get(storms::account))
        .route(
            "/api/v1/storms/{id}/evidence",
            get(storms::evidence).post(storms::open_evidence).delete(storms::delete_evidence),
        )
        .route("/api/v1/proposals", get(storms::proposals))
        .route("/api/v1/proposals/{id}/accept", post(storms::accept))
        .route("/api/v1/proposals/{id}/decline", post(storms::decline))
        .route("/api/v1/reload", post(reload))
        .route("/api/v1/intermediaries", get(intermediaries))
        .route("/api/v1/limits", get(limits))
        .route("/api/v1/origins", get(origins))
        .route("/api/v1/cache", get(cache))
        .route("/api/v1/cache/purge", post(purge))
        .route_layer(from_fn_with_state(token, guard::token));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/openapi.json", get(openapi))
        .merge(guarded)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(CONTENT_BYTES_MAX))
        .layer(from_fn(guard::every_request))
        .with_state(api)
}

/// What the process is and runs.
#[utoipa::path(get, path = "/api/v1/status", tag = "process", responses(
    (status = 200, description = "What it is and runs", body = Status),
))]
async fn status(State(api): State<Api>) -> Result<Json<Status>, Problem> {
    ask(api, |api| api.status()).await.map(Json)
}

/// Read the configuration again: all of it takes effect, or nothing.
#[utoipa::path(post, path = "/api/v1/reload", tag = "process", responses(
    (status = 200, description = "It is in force", body = Reloaded),
    (status = 409, description = "It runs without a configuration file", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "It is wrong in these places; nothing changed", body = Problem, content_type = "application/problem+json"),
))]
async fn reload(State(api): State<Api>) -> Result<Json<Reloaded>, Problem> {
    ask(api, |api| api.reload()).await?.map(Json).map_err(Problem::from)
}

/// All rules in order.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", responses(
    (status = 200, description = "Those that are disabled or expired included", body = Vec<RuleView>),
))]
async fn rules(State(api): State<Api>) -> Result<Json<Vec<RuleView>>, Problem> {
    ask(api, |api| api.rules()).await.map(Json)
}

/// Add a rule, or an array of rules: all of them, or none. They are on disk and in force when the answer comes.
#[utoipa::path(post, path = "/api/v1/rules", tag = "rules",
    request_body(
        content = Object,
        description = "The rule's definition in its JSON form, as `definition` of a listed rule has it, or an array of such; at most 8 MiB",
        example = json!({
            "v": 1,
            "name": "qqgamehall",
            "match": [
                { "fact": "method", "test": { "exact": "POST" } },
                { "fact": "path", "test": { "exact": "/ca/cacert.pem" } },
                { "fact": "user-agent", "test": { "prefix": "QQGameHall" } }
            ],
            "action": { "deny": { "status": 403 } },
            "mode": "enforce",
            "author": "operator"
        }),
    ),
    responses(
        (status = 201, description = "It is in force; for an array, an array", body = RuleView, headers(("location" = String, description = "Its path"))),
        (status = 400, description = "The content is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The name is taken", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The content is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content is not announced as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It is not a rule, for these reasons", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn add_rule(
    State(api): State<Api>,
    fields: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let content = json_of("the rule", &fields, content)?;
    if let Value::Array(definitions) = content {
        let rules = ask(api, move |api| api.add_rules(&definitions)).await??;
        return Ok((StatusCode::CREATED, Json(&rules)).into_response());
    }
    let rules = ask(api, move |api| api.add_rules(&[content])).await??;
    let [rule] = rules.as_slice() else {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the rule was added and is gone"));
    };
    let mut response = (StatusCode::CREATED, Json(rule)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/rules/{}", rule.name)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// One rule.
#[utoipa::path(get, path = "/api/v1/rules/{name}", tag = "rules",
    params(("name" = String, Path, description = "The rule's name", example = "qqgamehall")),
    responses(
        (status = 200, description = "The rule", body = RuleView),
        (status = 404, description = "There is no such rule", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn rule(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RuleView>, Problem> {
    let name = rule_name(name)?;
    let rules = ask(api, |api| api.rules()).await?;
    let found = rules.into_iter().find(|rule| rule.name == name);
    found.map(Json).ok_or_else(|| crate::control::ControlError::NotFound { name }.into())
}

/// Apply a rule again.
#[utoipa::path(post, path = "/api/v1/rules/{name}/enable", tag = "rules",
    params(("name" = String, Path, description = "The rule's name", example = "qqgamehall")),
    responses(
        (status = 200, description = "It is in force", body = RuleView),
        (status = 404, description = "There is no such rule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be changed here", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn enable_rule(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RuleView>, Problem> {
    change_rule(api, name, RuleChange::Enable).await
}

/// Keep a rule, but do not apply it.
#[utoipa::path(post, path = "/api/v1/rules/{name}/disable", tag = "rules",
    params(("name" = String, Path, description = "The rule's name", example = "qqgamehall")),
    responses(
        (status = 200, description = "It is no longer applied", body = RuleView),
        (status = 404, description = "There is no such rule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be changed here", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn disable_rule(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RuleView>, Problem> {
    change_rule(api, name, RuleChange::Disable).await
}

/// Remove a rule. Receipts that name it can still be read.
#[utoipa::path(delete, path = "/api/v1/rules/{name}", tag = "rules",
    params(("name" = String, Path, description = "The rule's name", example = "qqgamehall")),
    responses(
        (status = 200, description = "The rule as it last was", body = RuleView),
        (status = 404, description = "There is no such rule", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It cannot be changed here", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn retire_rule(
    State(api): State<Api>,
    name: Result<Path<String>, PathRejection>,
) -> Result<Json<RuleView>, Problem> {
    change_rule(api, name, RuleChange::Retire).await
}

/// Peers that look like a proxy for many and are not declared.
#[utoipa::path(get, path = "/api/v1/intermediaries", tag = "clients", responses(
    (status = 200, description = "From memory; nothing of this is written anywhere", body = Vec<Intermediary>),
))]
async fn intermediaries(State(api): State<Api>) -> Result<Json<Vec<Intermediary>>, Problem> {
    ask(api, |api| api.intermediaries()).await.map(Json)
}

/// The limits and the table that counts for them.
#[utoipa::path(get, path = "/api/v1/limits", tag = "rules", responses(
    (status = 200, description = "The limits", body = LimitTable),
))]
async fn limits(State(api): State<Api>) -> Result<Json<LimitTable>, Problem> {
    ask(api, |api| api.limits()).await.map(Json)
}

/// The origin servers and how they do.
#[utoipa::path(get, path = "/api/v1/origins", tag = "process", responses(
    (status = 200, description = "In the order of the configuration", body = Vec<OriginView>),
))]
async fn origins(State(api): State<Api>) -> Result<Json<Vec<OriginView>>, Problem> {
    ask(api, |api| api.origins()).await.map(Json)
}

/// What the cache holds and did.
#[utoipa::path(get, path = "/api/v1/cache", tag = "cache", responses(
    (status = 200, description = "Of all sites together", body = CacheView),
))]
async fn cache(State(api): State<Api>) -> Result<Json<CacheView>, Problem> {
    ask(api, |api| api.cache()).await.map(Json)
}

/// Purge stored responses: by URL, prefix, surrogate key, or all. It has taken effect when the answer comes.
#[utoipa::path(post, path = "/api/v1/cache/purge", tag = "cache",
    request_body(content = PurgeRequest, description = "One of `url`, `prefix`, `key` and `all`"),
    responses(
        (status = 200, description = "No request that comes after this gets what was stored before", body = Purged),
        (status = 400, description = "The content is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The site has no cache", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The content is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content is not announced as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It does not say what to purge, or no site has the host", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn purge(
    State(api): State<Api>,
    fields: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Json<Purged>, Problem> {
    let content = json_of("the purge", &fields, content)?;
    let request: PurgeRequest = serde_json::from_value(content)
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("not a purge: {error}")))?;
    ask(api, move |api| api.purge(&request)).await?.map(Json).map_err(Problem::from)
}

/// All counters, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "monitoring", security(()), responses(
    (status = 200, description = "OpenMetrics text 1.0.0", body = String, content_type = "application/openmetrics-text"),
))]
async fn metrics(State(api): State<Api>) -> Result<Response, Problem> {
    let text = ask(api, |api| api.metrics().to_text()).await?;
    let text = text.map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

/// Whether the process is alive.
#[utoipa::path(get, path = "/healthz", tag = "monitoring", security(()), responses(
    (status = 200, description = "It is", body = String, content_type = "text/plain", example = "alive\n"),
))]
async fn healthz() -> &'static str {
    "alive\n"
}

/// Whether the process takes requests.
#[utoipa::path(get, path = "/readyz", tag = "monitoring", security(()), responses(
    (status = 200, description = "It does", body = String, content_type = "text/plain", example = "ready\n"),
    (status = 503, description = "It starts, or drains", body = String, content_type = "text/plain", example = "draining\n"),
))]
async fn readyz(State(api): State<Api>) -> (StatusCode, &'static str) {
    // Only reads a flag: a probe must not wait behind a reload.
    match api.readiness() {
        Readiness::Ready => (StatusCode::OK, "ready\n"),
        Readiness::Starting => (StatusCode::SERVICE_UNAVAILABLE, "starting\n"),
        Readiness::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", tag = "monitoring", security(()), responses(
    (status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"),
))]
async fn openapi() -> Response {
    Json(Description::openapi()).into_response()
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is nothing at {}: see /openapi.json for what there is", uri.path());
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} takes no {method}", uri.path()))
}

async fn change_rule(
    api: Api,
    name: Result<Path<String>, PathRejection>,
    change: RuleChange,
) -> Result<Json<RuleView>, Problem> {
    let name = rule_name(name)?;
    ask(api, move |api| api.change_rule(&name, change)).await?.map(Json).map_err(Problem::from)
}

fn rule_name(name: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    match name {
        Ok(Path(name)) => Ok(name),
        Err(rejection) => Err(Problem::new(rejection.status(), rejection.body_text())),
    }
}

/// Calls on a thread that may wait, so that a slow disk does not hold up a probe.
async fn ask<T: Send + 'static>(
    api: Api,
    question: impl FnOnce(&dyn Control) -> T + Send + 'static,
) -> Result<T, Problem> {
    tokio::task::spawn_blocking(move || question(&*api)).await.map_err(|error| {
        tracing::error!(%error, "a request to the admin API failed");
        let detail = "Seawall made a mistake; its log has the place";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail)
    })
}

fn json_of(what: &str, fields: &HeaderMap, content: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
    let content = content.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    if !is_json(fields) {
        let detail = format!("send {what} as JSON: `Content-Type: application/json`");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    serde_json::from_slice(&content)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("this is not JSON: {error}")))
}

fn is_json(fields: &HeaderMap) -> bool {
    let Some(value) = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// A hundred thousand rules with all their conditions are larger, but no single one is.
pub(crate) const CONTENT_BYTES_MAX: usize = 8 << 20;
