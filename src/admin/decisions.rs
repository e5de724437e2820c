//! What an operator may do about prepared branches of distributed transactions, and about messages
//! that are damaged on disk: the only requests that change what a broker does.
//!
//! A web page can make a browser send a `POST` to an address of this machine. It cannot add a header
//! of its own to it without asking first, which nobody answers here. So such a header is wanted.

use axum::Json;
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use ferrymq_openwire::destination::Destination;
use serde::Deserialize;

use super::answers::{DecisionAnswer, ReleaseAnswer};
use super::refused::Refused;
use super::stage::{SharedStage, Stage};
use crate::node::{DecisionError, NodeWatch};
use crate::transaction::XaCode;

/// The header that an operation needs.
pub(super) const OPERATION: &str = "x-ferrymq-operation";

/// Which branch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    id: String,
}

/// The pages that take decisions.
pub(super) fn router(stage: SharedStage) -> Router {
    Router::new()
        .route("/api/v1/transactions/{decision}", post(decide))
        .route("/api/v1/destinations/release", post(release))
        .with_state(stage)
}

async fn decide(
    State(stage): State<SharedStage>,
    Path(decision): Path<String>,
    headers: HeaderMap,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<Json<DecisionAnswer>, Refused> {
    check(&headers)?;
    let Query(Question { id }) = question.map_err(|error| {
        Refused::new(StatusCode::BAD_REQUEST, format!("{error}; it takes ?id=XID:[…]"))
    })?;
    let Stage::Ready(node) = stage.now() else {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the broker is not ready"));
    };
    take(&node, &decision, &id).await?;
    Ok(Json(DecisionAnswer { id, decision }))
}

/// Whether somebody means it who is no web page.
fn check(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.contains_key(OPERATION) {
        return Ok(());
    }
    let what = format!(
        "this changes what the broker does: add the header `{OPERATION}: yes`, which keeps web pages \
         from asking for it by way of a browser"
    );
    Err(Refused::new(StatusCode::FORBIDDEN, what))
}

/// Which queue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Damaged {
    queue: String,
}

/// Forgets what is damaged of a queue.
async fn release(
    State(stage): State<SharedStage>,
    headers: HeaderMap,
    question: Result<Query<Damaged>, QueryRejection>,
) -> Result<Json<ReleaseAnswer>, Refused> {
    check(&headers)?;
    let Query(Damaged { queue }) = question.map_err(|error| {
        Refused::new(StatusCode::BAD_REQUEST, format!("{error}; it takes ?queue=NAME"))
    })?;
    let Stage::Ready(node) = stage.now() else {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "the broker is not ready"));
    };
    let name = queue.strip_prefix("queue://").unwrap_or(&queue);
    match node.release_set_aside(&Destination::queue(name)).await {
        Some(Ok(released)) => {
            Ok(Json(ReleaseAnswer { queue: format!("queue://{name}"), released: released as u64 }))
        }
        Some(Err(error)) => Err(Refused::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
        None => Err(Refused::new(StatusCode::NOT_FOUND, format!("there is no queue {name}"))),
    }
}

async fn take(node: &NodeWatch, decision: &str, id: &str) -> Result<(), Refused> {
    let branch = node.prepared_branches().into_iter().find(|branch| branch.id.to_string() == id);
    let Some(branch) = branch else {
        return Err(Refused::new(
            StatusCode::NOT_FOUND,
            format!("no transaction {id} is prepared"),
        ));
    };
    let taken = match decision {
        "commit" => node.decide_branch(&branch.id, true).await,
        "rollback" => node.decide_branch(&branch.id, false).await,
        "forget" => node.forget_branch(&branch.id).await,
        _ => {
            let what = "a transaction takes one of: commit, rollback, forget";
            return Err(Refused::new(StatusCode::NOT_FOUND, what));
        }
    };
    taken.map_err(|error| {
        let code = match &error {
            DecisionError::Xa(error) if error.code == XaCode::Unknown => StatusCode::NOT_FOUND,
            DecisionError::Xa(_) => StatusCode::CONFLICT,
            DecisionError::NotKept(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refused::new(code, error.to_string())
    })
}
