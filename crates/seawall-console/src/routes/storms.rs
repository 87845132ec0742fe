//! The routes about storms and proposals.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use seawall_report::Account;

use super::{Api, ask, json_of, rule_name};
use crate::control::{
    AcceptRequest, EvidenceRequest, EvidenceView, ProposalView, RuleView, StormTable, StormView,
};
use crate::problem::Problem;

/// What is new in the traffic and costs much.
#[utoipa::path(get, path = "/api/v1/storms", tag = "storms", responses(
    (status = 200, description = "From memory: those that are active, and some that are over", body = StormTable),
))]
pub(crate) async fn storms(State(api): State<Api>) -> Result<Json<StormTable>, Problem> {
    ask(api, |api| api.storms()).await.map(Json)
}

/// One storm.
#[utoipa::path(get, path = "/api/v1/storms/{id}", tag = "storms",
    params(("id" = String, Path, description = "The storm's name", example = "s0ABC12")),
    responses(
        (status = 200, description = "All that is known of it", body = StormView),
        (status = 404, description = "There is no such storm", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Storms are not looked for", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn storm(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<StormView>, Problem> {
    let id = rule_name(id)?;
    ask(api, move |api| api.storm(&id)).await?.map(Json).map_err(Problem::from)
}

/// The proposals that stand.
#[utoipa::path(get, path = "/api/v1/proposals", tag = "storms", responses(
    (status = 200, description = "One for each storm at the most", body = Vec<ProposalView>),
))]
pub(crate) async fn proposals(State(api): State<Api>) -> Result<Json<Vec<ProposalView>>, Problem> {
    ask(api, |api| api.proposals()).await.map(Json)
}

/// Put a proposed rule in force. It is on disk, and in force unless it only observes, when the answer comes.
#[utoipa::path(post, path = "/api/v1/proposals/{id}/accept", tag = "storms",
    params(("id" = String, Path, description = "The proposal's name", example = "p0XYZ34")),
    request_body(content = Option<AcceptRequest>, description = "How; none is as proposed"),
    responses(
        (status = 201, description = "The rule", body = RuleView, headers(("location" = String, description = "Its path"))),
        (status = 400, description = "The content is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such proposal stands", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Storms are not looked for, or the rule's name is taken", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The content is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content is not announced as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be accepted so", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn accept(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    fields: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let id = rule_name(id)?;
    let request = match content {
        Ok(content) if content.is_empty() => AcceptRequest::default(),
        content => serde_json::from_value(json_of("how to accept it", &fields, content)?)
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?,
    };
    let rule = ask(api, move |api| api.accept_proposal(&id, &request)).await??;
    let mut response = (StatusCode::CREATED, Json(&rule)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/rules/{}", rule.name)) {
        response.headers_mut().insert(LOCATION, location);
    }
    Ok(response)
}

/// Say no to a proposal: it is not made again while its storm lasts.
#[utoipa::path(post, path = "/api/v1/proposals/{id}/decline", tag = "storms",
    params(("id" = String, Path, description = "The proposal's name", example = "p0XYZ34")),
    responses(
        (status = 200, description = "The proposal as it stood", body = ProposalView),
        (status = 404, description = "No such proposal stands", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Storms are not looked for", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn decline(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<ProposalView>, Problem> {
    let id = rule_name(id)?;
    ask(api, move |api| api.decline_proposal(&id)).await?.map(Json).map_err(Problem::from)
}

/// All that is known of a storm, as reports are made from.
#[utoipa::path(get, path = "/api/v1/storms/{id}/account", tag = "storms",
    params(("id" = String, Path, description = "The storm's name", example = "s0ABC12")),
    responses(
        (status = 200, description = "Cost, course, senders, rule, collateral, what was done, what is not known", body = Object),
        (status = 404, description = "There is no such storm", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Storms are not looked for", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn account(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Account>, Problem> {
    let id = rule_name(id)?;
    ask(api, move |api| api.account(&id)).await?.map(Json).map_err(Problem::from)
}

/// Begin to collect what exchanges of a storm look like: names and order of fields, length and type of content, and how it
/// begins if that is asked for. It deletes itself after 72 hours.
#[utoipa::path(post, path = "/api/v1/storms/{id}/evidence", tag = "storms",
    params(("id" = String, Path, description = "The storm's name", example = "s0ABC12")),
    request_body(content = Option<EvidenceRequest>, description = "What; none is 200 exchanges without content"),
    responses(
        (status = 201, description = "It is being collected", body = EvidenceView),
        (status = 400, description = "The content is not JSON", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such storm", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Evidence of another storm is being collected, the storm cannot be told by a rule, or storms are not looked for", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "The content is too large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "The content is not announced as JSON", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It cannot be collected so", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn open_evidence(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
    fields: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let id = rule_name(id)?;
    let request = match content {
        Ok(content) if content.is_empty() => EvidenceRequest::default(),
        content => serde_json::from_value(json_of("what to collect", &fields, content)?)
            .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?,
    };
    let evidence = ask(api, move |api| api.open_evidence(&id, &request)).await??;
    Ok((StatusCode::CREATED, Json(&evidence)).into_response())
}

/// What was collected of a storm.
#[utoipa::path(get, path = "/api/v1/storms/{id}/evidence", tag = "storms",
    params(("id" = String, Path, description = "The storm's name", example = "s0ABC12")),
    responses(
        (status = 200, description = "What exchanges looked like", body = EvidenceView),
        (status = 404, description = "Nothing was collected, or it was deleted", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "It cannot be read", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn evidence(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<EvidenceView>, Problem> {
    let id = rule_name(id)?;
    ask(api, move |api| api.evidence(&id)).await?.map(Json).map_err(Problem::from)
}

/// End collecting, and delete what was collected.
#[utoipa::path(delete, path = "/api/v1/storms/{id}/evidence", tag = "storms",
    params(("id" = String, Path, description = "The storm's name", example = "s0ABC12")),
    responses(
        (status = 200, description = "It is gone", body = Option<bool>),
        (status = 404, description = "Nothing was collected, or it was deleted", body = Problem, content_type = "application/problem+json"),
        (status = 500, description = "It cannot be deleted", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn delete_evidence(
    State(api): State<Api>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<()>, Problem> {
    let id = rule_name(id)?;
    ask(api, move |api| api.delete_evidence(&id)).await?.map(Json).map_err(Problem::from)
}
