//! Which paths are answered, and by what.

use std::sync::Arc;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::cluster;
use super::decisions;
use super::explain::{Wish, explain};
use super::host::{HostNames, HostRefusal};
use super::metrics;
use super::refused::Refused;
use super::registry::{self, SharedRegistry};
use super::snapshot;
use super::stage::{SharedStage, Stage};
use crate::node::NodeWatch;

/// How many entries a list has when nobody says.
const DEFAULT_LIMIT: usize = 1_000;
/// How many entries a list has at most.
const MOST: usize = 100_000;
/// The media type of most answers.
const JSON: &str = "application/json";

/// What all pages are made from.
#[derive(Clone)]
struct Source {
    stage: SharedStage,
    names: HostNames,
    /// Snapshots of a large broker take a while: one is taken at a time, whoever asks.
    turn: Arc<Semaphore>,
}

/// How much of a list is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    limit: Option<usize>,
}

type Wanted = Result<Query<Limit>, QueryRejection>;

/// All pages of the API.
pub(super) fn router(
    stage: SharedStage,
    names: HostNames,
    registry: Option<SharedRegistry>,
) -> Router {
    let source = Source { stage, names, turn: Arc::new(Semaphore::new(1)) };
    let pages = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/api/v1/broker", get(broker))
        .route("/api/v1/connections", get(connections))
        .route("/api/v1/destinations", get(destinations))
        .route("/api/v1/subscriptions", get(subscriptions))
        .route("/api/v1/transactions", get(transactions))
        .route("/api/v1/links", get(links))
        .route("/api/v1/cluster", get(clustered))
        .route("/api/v1/network", get(network))
        .route("/api/v1/explain", get(explained))
        .fallback(unknown)
        .method_not_allowed_fallback(not_allowed)
        .with_state(source.clone())
        .merge(decisions::router(source.stage.clone()));
    let pages = match registry {
        Some(registry) => pages.merge(registry::router(registry)),
        None => pages,
    };
    pages.layer(middleware::from_fn_with_state(source, admit))
}

/// Lets only requests through that we mean to answer, and marks the answers.
async fn admit(State(source): State<Source>, request: Request, next: Next) -> Response {
    let mut response = match source.names.check(request.uri(), request.headers()) {
        Err(error @ HostRefusal::Malformed) => {
            Refused::new(StatusCode::BAD_REQUEST, error.to_string()).into_response()
        }
        Err(error @ HostRefusal::Unknown) => {
            Refused::new(StatusCode::FORBIDDEN, error.to_string()).into_response()
        }
        // Bodies are not read at all.
        Ok(()) if !request.body().is_end_stream() => {
            Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "no page here takes a body").into_response()
        }
        Ok(()) => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// The process answers.
async fn healthz() -> &'static str {
    "ok\n"
}

/// Every listener accepts.
async fn readyz(State(source): State<Source>) -> Response {
    let stage = source.stage.now();
    let code = if stage.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{}\n", stage.name())).into_response()
}

async fn metrics(State(source): State<Source>) -> Result<Response, Refused> {
    let text = source.take(metrics::metrics).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response())
}

async fn broker(State(source): State<Source>) -> Result<Response, Refused> {
    source.show(|node, stage| snapshot::broker(node, stage.name())).await
}

async fn connections(State(source): State<Source>, wanted: Wanted) -> Result<Response, Refused> {
    let limit = limit(wanted)?;
    source.show(move |node, _| snapshot::connections(node, limit)).await
}

async fn destinations(State(source): State<Source>, wanted: Wanted) -> Result<Response, Refused> {
    let limit = limit(wanted)?;
    source.show(move |node, _| snapshot::destinations(node, limit)).await
}

async fn subscriptions(State(source): State<Source>, wanted: Wanted) -> Result<Response, Refused> {
    let limit = limit(wanted)?;
    source.show(move |node, _| snapshot::subscriptions(node, limit)).await
}

async fn transactions(State(source): State<Source>, wanted: Wanted) -> Result<Response, Refused> {
    let limit = limit(wanted)?;
    source.show(move |node, _| snapshot::transactions(node, limit)).await
}

async fn clustered(State(source): State<Source>) -> Result<Response, Refused> {
    source.show(|node, _| cluster::cluster(node)).await
}

async fn links(State(source): State<Source>) -> Result<Response, Refused> {
    source.show(|node, _| snapshot::links(node)).await
}

async fn network(State(source): State<Source>) -> Result<Response, Refused> {
    source.show(|node, _| snapshot::network(node)).await
}

/// Which queue and which of its messages are to be explained.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    queue: String,
    message: Option<String>,
    probe: Option<String>,
}

async fn explained(
    State(source): State<Source>,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Response, Refused> {
    let Query(Question { queue, message, probe }) = question.map_err(|error| {
        let error = format!("{error}; it takes ?queue=NAME, and &message=ID or &probe=BROKER-ID,…");
        Refused::new(StatusCode::BAD_REQUEST, error)
    })?;
    let wish = Wish::read(&queue, message.as_deref(), probe.as_deref())
        .map_err(|error| Refused::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    source.show(move |node, _| explain(node, &wish)).await
}

async fn unknown() -> Refused {
    Refused::new(
        StatusCode::NOT_FOUND,
        "there is /healthz, /readyz, /metrics, and /api/v1/ with broker, connections, \
         destinations, subscriptions, transactions, links, network, explain",
    )
}

async fn not_allowed() -> Refused {
    Refused::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "use GET: only /api/v1/transactions/… and /api/v1/destinations/release take POST",
    )
}

impl Source {
    /// Answers with what the node shows, as JSON.
    async fn show<T: Serialize>(
        &self,
        look: impl FnOnce(&NodeWatch, &Stage) -> T + Send + 'static,
    ) -> Result<Response, Refused> {
        let shown = self
            .take(move |stage| {
                let node = stage.node()?;
                Some(serde_json::to_string(&look(node, stage)))
            })
            .await?;
        let Some(shown) = shown else {
            return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the broker is starting"));
        };
        let json = shown.map_err(|error| Refused::failed(&error))?;
        Ok(([(CONTENT_TYPE, JSON)], json).into_response())
    }

    /// Takes a snapshot, away from the threads that move messages.
    async fn take<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Stage) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let stage = self.stage.now();
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let taken = tokio::task::spawn_blocking(move || {
            let taken = look(&stage);
            drop(turn);
            taken
        });
        taken.await.map_err(|error| Refused::failed(&error))
    }
}

fn limit(wanted: Wanted) -> Result<usize, Refused> {
    match wanted {
        Ok(Query(Limit { limit })) => match limit.unwrap_or(DEFAULT_LIMIT) {
            limit @ 0..=MOST => Ok(limit),
            _ => Err(Refused::new(StatusCode::BAD_REQUEST, format!("limit is at most {MOST}"))),
        },
        Err(error) => {
            let error = format!("{error}; a list takes ?limit=N");
            Err(Refused::new(StatusCode::BAD_REQUEST, error))
        }
    }
}
