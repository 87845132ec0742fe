//! The description of the API (OpenAPI 3.1), made from the routes and types themselves.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::control::{
    AcceptMode, AcceptRequest, CacheView, CollateralView, CostView, CurveView, EstimateView,
    EvidenceNetworkView, EvidenceRequest, EvidenceView, ExhibitView, Intermediary, LimitTable, LimitView,
    ListenerView, OriginView, ProposalView, PurgeRequest, Purged, Readiness, Reloaded, RuleState, RuleView,
    SiteView, Status, StormTable, StormView, TierView,
};
use crate::problem::Problem;
use crate::routes;

/// All of it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Seawall admin API",
        description = "Rules, limits, storms, the cache, reload, health and metrics of one running Seawall process.\n\n\
            It listens on loopback only. What lies under `/api` needs the token of the state folder as \
            `Authorization: Bearer ...`; metrics and probes do not. Errors are problem details (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
        contact(),
    ),
    servers((url = "http://127.0.0.1:9180", description = "The default address")),
    paths(
        routes::status,
        routes::reload,
        routes::rules,
        routes::add_rule,
        routes::rule,
        routes::enable_rule,
        routes::disable_rule,
        routes::retire_rule,
        routes::intermediaries,
        routes::limits,
        routes::origins,
        routes::cache,
        routes::purge,
        routes::storms::storms,
        routes::storms::storm,
        routes::storms::account,
        routes::storms::open_evidence,
        routes::storms::evidence,
        routes::storms::delete_evidence,
        routes::storms::proposals,
        routes::storms::accept,
        routes::storms::decline,
        routes::metrics,
        routes::healthz,
        routes::readyz,
        routes::openapi,
    ),
    components(schemas(
        AcceptMode, AcceptRequest, CacheView, CollateralView, CostView, CurveView, EstimateView, EvidenceNetworkView, EvidenceRequest, EvidenceView, ExhibitView, Intermediary, LimitTable, LimitView,
        ListenerView, OriginView, Problem, ProposalView, PurgeRequest, Purged, Readiness, Reloaded, RuleState, RuleView, SiteView,
        Status, StormTable, StormView, TierView,
    )),
    tags(
        (name = "process", description = "The process and its origins"),
        (name = "rules", description = "Rules and limits"),
        (name = "storms", description = "What is new in the traffic and costs much, and rules proposed against it"),
        (name = "cache", description = "Stored responses"),
        (name = "clients", description = "Who stands behind the connections"),
        (name = "monitoring", description = "Open to everyone on the machine"),
    ),
    security(("token" = [])),
    modifiers(&Everywhere),
)]
pub(crate) struct Description;

/// What holds for every operation: the token, and the errors that any of them may answer.
struct Everywhere;

impl Modify for Everywhere {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The content of `admin.token` in the state folder"))
            .build();
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        for (status, name, description) in COMMON {
            let response = ResponseBuilder::new().description(description).content(
                "application/problem+json",
                ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
            );
            components.responses.insert(name.to_owned(), response.build().into());
            for (path, item) in &mut openapi.paths.paths {
                // Metrics and probes take no token.
                if status == "401" && !path.starts_with("/api/") {
                    continue;
                }
                for operation in [&mut item.get, &mut item.post, &mut item.delete].into_iter().flatten() {
                    let responses = &mut operation.responses.responses;
                    responses
                        .entry(status.to_owned())
                        .or_insert_with(|| Ref::from_response_name(name).into());
                }
            }
        }
    }
}

const COMMON: [(&str, &str, &str); 4] = [
    ("401", "Unauthorized", "The token is missing or wrong"),
    ("421", "Misdirected", "The `Host` is not a name of loopback"),
    ("500", "Mistake", "Seawall made a mistake; its log has the place"),
    ("503", "TooLong", "It took more than 30 s, and may still be done"),
];
