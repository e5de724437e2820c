//! Asking an admin API.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::answers::Refusal;
use super::decisions::OPERATION;
use crate::config::{AdminAddress, AdminAddressError};

/// How long an answer may take altogether.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
/// How large an answer may be.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// Where an admin API answers: `http://127.0.0.1:8161`, or the same without `http://`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminUrl(AdminAddress);

/// Why a text is no URL of an admin API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no admin URL: {reason}")]
pub struct AdminUrlError {
    text: String,
    reason: String,
}

/// Why an admin API gives no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody answers there.
    #[error(
        "no admin API answers at {url}: {source}; is the broker running, and with this admin \
         address?"
    )]
    Unreachable {
        /// Where.
        url: AdminUrl,
        /// Why.
        source: io::Error,
    },
    /// It takes too long.
    #[error("{url} does not answer within {} s", ANSWER_LIMIT.as_secs())]
    TimedOut {
        /// Where.
        url: AdminUrl,
    },
    /// What answers does not speak HTTP.
    #[error("{url} gives no answer in HTTP: {reason}; is this a broker's admin address?")]
    NotHttp {
        /// Where.
        url: AdminUrl,
        /// Why.
        reason: String,
    },
    /// It does not want to answer.
    #[error("{url}{path} answers {status}: {reason}")]
    Refused {
        /// Where.
        url: AdminUrl,
        /// What was asked for.
        path: String,
        /// The status of the answer.
        status: StatusCode,
        /// What it says.
        reason: String,
    },
    /// The answer is not that of an admin API.
    #[error("{url}{path} is not FerryMQ's admin API, or one of another version: {reason}")]
    Unreadable {
        /// Where.
        url: AdminUrl,
        /// What was asked for.
        path: String,
        /// What cannot be read.
        reason: String,
    },
}

impl AdminUrl {
    /// The URL of an address.
    pub fn of(address: AdminAddress) -> Self {
        Self(address)
    }

    /// Its host.
    pub fn host(&self) -> &str {
        &self.0.host
    }

    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, AdminUrlError> {
        let refused = |reason: String| AdminUrlError { text: text.to_owned(), reason };
        if text.starts_with("https://") {
            return Err(refused("TLS is not supported yet; write http://".to_owned()));
        }
        let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        address.parse().map(Self).map_err(|error: AdminAddressError| refused(error.to_string()))
    }
}

impl fmt::Display for AdminUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// A path with a query: `/api/v1/explain?queue=a%2Fb`.
pub fn query(path: &str, parameters: &[(&str, &str)]) -> String {
    let mut text = path.to_owned();
    for (position, (name, value)) in parameters.iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

/// Asks for `path` and reads the answer.
pub async fn fetch<T: DeserializeOwned>(url: &AdminUrl, path: &str) -> Result<T, FetchError> {
    ask(url, Method::GET, path).await
}

/// Asks for an operation and reads what came of it.
pub async fn operate<T: DeserializeOwned>(url: &AdminUrl, path: &str) -> Result<T, FetchError> {
    ask(url, Method::POST, path).await
}

async fn ask<T: DeserializeOwned>(
    url: &AdminUrl,
    method: Method,
    path: &str,
) -> Result<T, FetchError> {
    let (status, body) = match timeout(ANSWER_LIMIT, exchange(url, method, path)).await {
        Ok(answer) => answer?,
        Err(_) => return Err(FetchError::TimedOut { url: url.clone() }),
    };
    if status != StatusCode::OK {
        let reason = serde_json::from_slice::<Refusal>(&body).map(|refusal| refusal.error);
        let reason = reason.unwrap_or_else(|_| "without a reason that can be read".to_owned());
        return Err(FetchError::Refused {
            url: url.clone(),
            path: path.to_owned(),
            status,
            reason,
        });
    }
    serde_json::from_slice(&body).map_err(|error| FetchError::Unreadable {
        url: url.clone(),
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// One request over a connection of its own.
async fn exchange(
    url: &AdminUrl,
    method: Method,
    path: &str,
) -> Result<(StatusCode, Bytes), FetchError> {
    let AdminAddress { host, port } = &url.0;
    let stream = TcpStream::connect((host.as_str(), *port))
        .await
        .map_err(|source| FetchError::Unreachable { url: url.clone(), source })?;
    let broken = |reason: String| FetchError::NotHttp { url: url.clone(), reason };
    let request = Request::builder().method(&method).uri(path).header(HOST, url.0.to_string());
    let request = match method {
        Method::POST => request.header(OPERATION, "yes"),
        _ => request,
    };
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| broken(error.to_string()))?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(error.to_string()))?;
    let exchange = async {
        let response =
            sender.send_request(request).await.map_err(|error| broken(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        let body = body.map_err(|error| broken(error.to_string()))?;
        Ok((status, body.to_bytes()))
    };
    tokio::pin!(connection, exchange);
    tokio::select! {
        biased;
        answer = &mut exchange => return answer,
        // The connection may end with the last byte of the answer, before it has been looked at.
        _ = &mut connection => {}
    }
    exchange.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admin_url_needs_no_scheme_and_may_end_in_a_slash() {
        for text in ["http://127.0.0.1:9000", "127.0.0.1:9000", "http://127.0.0.1:9000/"] {
            assert_eq!(AdminUrl::parse(text).unwrap().to_string(), "http://127.0.0.1:9000");
        }
    }

    #[test]
    fn what_is_no_admin_url_is_refused_with_a_reason() {
        for (text, reason) in [
            ("https://127.0.0.1:1", "TLS"),
            ("tcp://127.0.0.1:1", "scheme"),
            ("http://127.0.0.1:1/api", "no port"),
            ("http://london", "write london:8161"),
        ] {
            let error = AdminUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
