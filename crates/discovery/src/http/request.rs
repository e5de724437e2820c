//! One request to a registry.

use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a request may take altogether.
const LIMIT: Duration = Duration::from_secs(5);
/// How large an answer may be, in bytes.
const MOST_BYTES: usize = 1 << 20;

/// What is asked of a registry.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Who has registered within this time.
    List(Duration),
    /// To enter this address, or to take it out.
    Put(Endpoint),
    Delete(Endpoint),
}

/// Why a registry gives no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("cannot reach it: {0}")]
    Connect(std::io::Error),
    #[error("no answer within {LIMIT:?}")]
    TimedOut,
    #[error("it does not speak HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("it answers {0}")]
    Status(StatusCode),
    #[error("its answer cannot be read: {0}")]
    Body(String),
    #[error("the request cannot be written: {0}")]
    Request(#[from] hyper::http::Error),
}

/// Asks, and returns the text of the answer.
pub(super) async fn ask(registry: &Endpoint, wish: &Wish) -> Result<String, RequestError> {
    match timeout(LIMIT, exchange(registry, wish)).await {
        Ok(answer) => answer,
        Err(_) => Err(RequestError::TimedOut),
    }
}

async fn exchange(registry: &Endpoint, wish: &Wish) -> Result<String, RequestError> {
    let address = (registry.host.as_str(), registry.port);
    let stream = TcpStream::connect(address).await.map_err(RequestError::Connect)?;
    let own = stream.local_addr().map_err(RequestError::Connect)?.ip();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends with this request.
    let mut tasks = JoinSet::new();
    tasks.spawn(connection);
    let (method, path, service) = match wish {
        Wish::List(freshness) => {
            (Method::GET, format!("{}?freshness={}", registry.path, freshness.as_millis()), None)
        }
        Wish::Put(service) => (Method::PUT, registry.path.clone(), Some(service)),
        Wish::Delete(service) => (Method::DELETE, registry.path.clone(), Some(service)),
    };
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, registry.authority())
        .body(Empty::<Bytes>::new())?;
    if let Some(service) = service {
        let host = match service.host.as_str() {
            // Any of this machine's: then the one that the registry sees.
            "0.0.0.0" | "::" => own.to_string(),
            host => host.to_owned(),
        };
        let service = Endpoint { host, ..service.clone() }.to_string();
        let value = HeaderValue::try_from(service).map_err(hyper::http::Error::from)?;
        request.headers_mut().insert("service", value);
    }
    let answer = sender.send_request(request).await?;
    if !answer.status().is_success() {
        return Err(RequestError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
    let bytes = body.map_err(|error| RequestError::Body(error.to_string()))?.to_bytes();
    String::from_utf8(bytes.into()).map_err(|error| RequestError::Body(error.to_string()))
}
