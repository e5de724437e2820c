//! Requests that are not answered.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::answers::Refusal;

/// A request that is not answered, and why.
pub(super) struct Refused {
    code: StatusCode,
    error: String,
}

impl Refused {
    pub(super) fn new(code: StatusCode, error: impl Into<String>) -> Self {
        Self { code, error: error.into() }
    }

    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a snapshot for the admin API failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the snapshot failed; the log says why")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.code, Json(Refusal { error: self.error })).into_response()
    }
}
