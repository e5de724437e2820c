//! A name server of a test's own, on the loopback interface, that says what it is told to.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const A: u16 = 1;
const SRV: u16 = 33;
const NO_SUCH_NAME: u8 = 3;

/// A name server; it ends with the test's process.
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
}

#[derive(Default)]
struct Zone {
    /// Names, in lower case and with a final dot.
    names: BTreeMap<String, Vec<Data>>,
    time_to_live: u32,
    silent: bool,
    /// When it was asked for which name.
    asked: Vec<(String, Instant)>,
}

#[derive(Clone)]
enum Data {
    Address(Ipv4Addr),
    Service { priority: u16, weight: u16, port: u16, target: String },
}

impl NameServer {
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("it is bound");
        let zone = Arc::new(Mutex::new(Zone::default()));
        let served = Arc::clone(&zone);
        std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                let answer = served.lock().unwrap().answer(&buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, peer);
                }
            }
        });
        Self { address, zone }
    }

    /// `HOST:PORT`
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// For how many seconds answers hold.
    pub fn time_to_live(&self, seconds: u32) {
        self.zone.lock().unwrap().time_to_live = seconds;
    }

    /// The addresses of a host.
    pub fn host(&self, name: &str, addresses: &[&str]) {
        let data = addresses.iter().map(|address| Data::Address(address.parse().unwrap()));
        self.zone.lock().unwrap().names.insert(format!("{name}."), data.collect());
    }

    /// The records of a service: priority, weight, target and port.
    pub fn service(&self, name: &str, records: &[(u16, u16, &str, u16)]) {
        let data = records.iter().map(|(priority, weight, target, port)| Data::Service {
            priority: *priority,
            weight: *weight,
            port: *port,
            target: (*target).to_owned(),
        });
        self.zone.lock().unwrap().names.insert(format!("{name}."), data.collect());
    }

    /// There is no such name any more.
    pub fn remove(&self, name: &str) {
        self.zone.lock().unwrap().names.remove(&format!("{name}."));
    }

    /// Whether it answers nothing at all.
    pub fn silent(&self, silent: bool) {
        self.zone.lock().unwrap().silent = silent;
    }

    /// When it was asked for a name.
    pub fn asked(&self, name: &str) -> Vec<Instant> {
        let zone = self.zone.lock().unwrap();
        let name = format!("{name}.");
        zone.asked.iter().filter(|(asked, _)| *asked == name).map(|(_, at)| *at).collect()
    }
}

impl Zone {
    #[allow(clippy::disallowed_methods)]
    fn answer(&mut self, query: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name_at(query, 12)?;
        let kind = u16::from_be_bytes([*query.get(end)?, *query.get(end + 1)?]);
        self.asked.push((name.clone(), Instant::now()));
        if self.silent {
            return None;
        }
        let data = self.names.get(&name);
        let wanted: Vec<&Data> = data
            .into_iter()
            .flatten()
            .filter(|data| {
                matches!((data, kind), (Data::Address(_), A) | (Data::Service { .. }, SRV))
            })
            .collect();
        let code = if data.is_some() { 0 } else { NO_SUCH_NAME };
        let mut answer = query[..2].to_vec();
        answer.extend([0x85, 0x80 | code, 0, 1, 0, u8::try_from(wanted.len()).ok()?, 0, 0, 0, 0]);
        answer.extend(&query[12..end + 4]);
        for data in wanted {
            let bytes = data.bytes();
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1]);
            answer.extend(self.time_to_live.to_be_bytes());
            answer.extend(u16::try_from(bytes.len()).ok()?.to_be_bytes());
            answer.extend(bytes);
        }
        Some(answer)
    }
}

impl Data {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Address(address) => address.octets().to_vec(),
            Self::Service { priority, weight, port, target } => {
                let mut bytes: Vec<u8> =
                    [priority, weight, port].iter().flat_map(|n| n.to_be_bytes()).collect();
                for label in target.split('.') {
                    bytes.push(u8::try_from(label.len()).unwrap());
                    bytes.extend(label.as_bytes());
                }
                bytes.push(0);
                bytes
            }
        }
    }
}

/// The name that starts there, and where it ends.
fn name_at(query: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut name = String::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name.to_lowercase(), at));
        }
        name.push_str(std::str::from_utf8(query.get(at..at + length)?).ok()?);
        name.push('.');
        at += length;
    }
}
