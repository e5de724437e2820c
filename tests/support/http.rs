//! HTTP by hand: requests as they are written, answers as they come.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use super::wait::PATIENCE;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body, as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// Whether there is a header with this value, however its name is written.
    pub fn has_header(&self, name: &str, value: &str) -> bool {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .any(|(header, text)| header.eq_ignore_ascii_case(name) && text == value)
    }
}

/// Asks for `path` at `http://HOST:PORT`.
pub fn get(url: &str, path: &str) -> Answer {
    let host = host(url);
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    raw_http(url, request.as_bytes()).expect("an answer")
}

/// Writes a request as it is and reads the answer, if one comes before the end.
pub fn raw_http(url: &str, request: &[u8]) -> Option<Answer> {
    let mut stream = TcpStream::connect(host(url)).expect("the admin API accepts");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    // What is refused early is not read to its end.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        Err(e) => panic!("neither an answer nor the end: {e}"),
    }
    let text = String::from_utf8(bytes).expect("an answer in UTF-8");
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Some(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

fn host(url: &str) -> &str {
    url.strip_prefix("http://").expect("an address that starts with http://")
}
