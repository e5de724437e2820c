//! The registry of brokers that an admin address serves where it is configured to, for ActiveMQ's
//! `http:` discovery agent and ours: `PUT`, `GET` and `DELETE` of `/discovery-registry/GROUP`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use ferrymq_discovery::registry::{DEFAULT_FRESHNESS, Registry, RegistryError};
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

/// The registry, shared by all requests.
pub(super) type SharedRegistry = Arc<Mutex<Registry>>;

/// How old entries may be; other parameters do not count, as with ActiveMQ.
#[derive(Debug, Deserialize)]
struct Freshness {
    /// In milliseconds.
    freshness: Option<u64>,
}

type Refused = (StatusCode, String);

/// The pages of a registry.
pub(super) fn router(registry: SharedRegistry) -> Router {
    Router::new()
        .route("/discovery-registry/{*group}", get(list).put(put).delete(delete))
        .with_state(registry)
}

async fn list(
    State(registry): State<SharedRegistry>,
    Path(group): Path<String>,
    freshness: Result<Query<Freshness>, QueryRejection>,
) -> Result<String, Refused> {
    let Query(Freshness { freshness }) =
        freshness.map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))?;
    let freshness = freshness.map_or(DEFAULT_FRESHNESS, Duration::from_millis);
    let registry = registry.lock();
    let services = registry.list(&group, freshness, Instant::now());
    Ok(services.iter().flat_map(|service| [*service, "\n"]).collect())
}

async fn put(
    State(registry): State<SharedRegistry>,
    Path(group): Path<String>,
    headers: HeaderMap,
) -> Result<(), Refused> {
    let service = service(&headers)?;
    registry.lock().put(&group, service, Instant::now()).map_err(|error| {
        let code = match error {
            RegistryError::Length | RegistryError::Address => StatusCode::BAD_REQUEST,
            RegistryError::Groups | RegistryError::Services => StatusCode::INSUFFICIENT_STORAGE,
        };
        (code, format!("{error}\n"))
    })
}

async fn delete(
    State(registry): State<SharedRegistry>,
    Path(group): Path<String>,
    headers: HeaderMap,
) -> Result<(), Refused> {
    registry.lock().delete(&group, service(&headers)?);
    Ok(())
}

fn service(headers: &HeaderMap) -> Result<&str, Refused> {
    let service = headers.get("service").and_then(|value| value.to_str().ok());
    service.ok_or_else(|| {
        let what = "the header `service` is missing: the address of the broker\n";
        (StatusCode::BAD_REQUEST, what.to_owned())
    })
}
