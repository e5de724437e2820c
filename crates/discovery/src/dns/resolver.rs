//! Asking name servers.

use std::net::IpAddr;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{RData, Record as Resource};

use super::config::{DnsConfig, DnsName};
use super::names::Answer;
use super::order::Record;

/// Asks name servers, and remembers nothing: how long an answer holds is for others to follow.
pub(super) struct Asker(TokioResolver);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("there is no such name")]
    NoName,
    #[error("the name has no such records")]
    NoRecords,
    #[error("no name server can be asked: {0}")]
    NoServer(NetError),
    #[error("{0}")]
    Failed(NetError),
}

impl Asker {
    pub(super) fn new(config: &DnsConfig) -> Result<Self, AskError> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = match config.server {
            None => TokioResolver::builder(provider).map_err(AskError::NoServer)?,
            Some(server) => {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                let server = NameServerConfig::new(server.ip(), true, connections.into());
                let servers = ResolverConfig::from_name_servers(vec![server]);
                TokioResolver::builder_with_config(servers, provider)
            }
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        if config.server.is_some() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        // Each name server once or twice within the time that there is.
        options.attempts = 1;
        options.timeout = (config.timeout / 2).max(Duration::from_millis(1));
        builder.build().map(Self).map_err(AskError::NoServer)
    }

    pub(super) async fn ask(&self, name: &DnsName) -> Result<Answer, AskError> {
        let (resources, found): (Vec<Resource>, _) = match name {
            DnsName::Service(name) => {
                let answer = self.0.srv_lookup(name.as_str()).await.map_err(reason)?;
                (answer.answers().to_vec(), None)
            }
            DnsName::Host { name, port } => {
                let answer = self.0.lookup_ip(name.as_str()).await.map_err(reason)?;
                (answer.as_lookup().answers().to_vec(), Some(*port))
            }
        };
        let records = resources.iter().filter_map(|resource| match (&resource.data, found) {
            (RData::SRV(service), None) => of_service(service.target.to_string(), || Record {
                priority: service.priority,
                weight: service.weight,
                host: String::new(),
                port: service.port,
            }),
            (RData::A(address), Some(port)) => Some(at(IpAddr::V4(address.0), port)),
            (RData::AAAA(address), Some(port)) => Some(at(IpAddr::V6(address.0), port)),
            _ => None,
        });
        let records: Vec<Record> = records.collect();
        if records.is_empty() {
            return Err(AskError::NoRecords);
        }
        let time_to_live = resources.iter().map(|resource| resource.ttl).min().unwrap_or_default();
        Ok(Answer { records, time_to_live: Duration::from_secs(u64::from(time_to_live)) })
    }

    /// The addresses of a host; none if nobody knows.
    pub(super) async fn addresses(&self, host: &str) -> Vec<IpAddr> {
        match self.0.lookup_ip(host).await {
            Ok(found) => found.iter().collect(),
            Err(_) => Vec::new(),
        }
    }
}

fn at(address: IpAddr, port: u16) -> Record {
    Record { priority: 0, weight: 0, host: address.to_string(), port }
}

/// A record of a service. A target of `.` says that there is none (RFC 2782).
fn of_service(target: String, record: impl FnOnce() -> Record) -> Option<Record> {
    let host = target.strip_suffix('.').unwrap_or(&target);
    let mut record = record();
    let sensible = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let usable = !host.is_empty() && host.chars().all(sensible) && record.port != 0;
    record.host = host.to_owned();
    usable.then_some(record)
}

fn reason(error: NetError) -> AskError {
    if error.is_nx_domain() {
        AskError::NoName
    } else if error.is_no_records_found() {
        AskError::NoRecords
    } else {
        AskError::Failed(error)
    }
}
