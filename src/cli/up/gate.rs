//! Holding back the bridges until every broker listens: else the first would find the others not
//! there, and their links would begin with a failure and a pause.

use std::sync::Arc;

use ferrymq_transport::dial::{BoxFuture, DialError, Dialer, Stream};
use ferrymq_transport::endpoint::Endpoint;
use tokio_util::sync::CancellationToken;

/// Dials once the gate is open.
pub(super) struct GatedDialer {
    beyond: Arc<dyn Dialer>,
    open: CancellationToken,
}

impl GatedDialer {
    /// Dials through `beyond` as soon as `open` is cancelled.
    pub(super) fn new(beyond: Arc<dyn Dialer>, open: CancellationToken) -> Self {
        Self { beyond, open }
    }
}

impl Dialer for GatedDialer {
    fn dial<'a>(&'a self, endpoint: &'a Endpoint) -> BoxFuture<'a, Result<Stream, DialError>> {
        Box::pin(async move {
            self.open.cancelled().await;
            self.beyond.dial(endpoint).await
        })
    }
}
