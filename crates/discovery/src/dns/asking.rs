//! The task that asks for names again and again.

use std::sync::Arc;

use ferrymq_transport::endpoint::Endpoint;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::config::{DnsConfig, DnsName};
use super::names::{Answer, Names};
use super::order::Record;
use super::resolver::{AskError, Asker};
use crate::known::Known;
use crate::own::{Own, is_local};
use crate::running::Discovery;

/// Asks for as long as it is wanted.
pub(crate) fn ask(config: DnsConfig, own: Own, seed: u64) -> Discovery {
    Discovery::spawn(move |known| run(config, own, seed, known))
}

async fn run(config: DnsConfig, own: Own, seed: u64, known: watch::Sender<Arc<Known>>) {
    let mut names = Names::new(&config, seed, Instant::now());
    let mut asker = None;
    loop {
        let Some((at, name, due)) = names.next() else {
            // Without a name nothing will ever be known.
            return std::future::pending().await;
        };
        let name = name.clone();
        sleep_until(due).await;
        match answer(&config, &own, &mut asker, &name).await {
            Ok(answer) => {
                if names.answered(at, answer, Instant::now()) {
                    tracing::info!(%name, "the name is answered again");
                }
                let now = names.known();
                known.send_if_modified(|known| {
                    let changed = **known != now;
                    if changed {
                        *known = Arc::new(now);
                    }
                    changed
                });
            }
            Err(reason) => {
                // The system's name servers may be others by now.
                asker = None;
                if names.failed(at, Instant::now()) {
                    tracing::warn!(%name, reason, "no answer from DNS; the last one is kept");
                } else {
                    tracing::debug!(%name, reason, "still no answer from DNS");
                }
            }
        }
    }
}

async fn answer(
    config: &DnsConfig,
    own: &Own,
    asker: &mut Option<Asker>,
    name: &DnsName,
) -> Result<Answer, String> {
    let asker = match asker {
        Some(asker) => asker,
        None => asker.insert(Asker::new(config).map_err(|error| error.to_string())?),
    };
    let asked = async {
        let answer = asker.ask(name).await?;
        let mut records = Vec::new();
        for record in answer.records {
            if !is_own(&record, own, asker).await {
                records.push(record);
            }
        }
        Ok(Answer { records, ..answer })
    };
    match timeout(config.timeout, asked).await {
        Ok(answered) => answered.map_err(|error: AskError| error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", config.timeout)),
    }
}

/// Whether a record leads back to the broker that asks; of a name that shares its port, the addresses
/// tell.
async fn is_own(record: &Record, own: &Own, asker: &Asker) -> bool {
    let endpoint = Endpoint::tcp(record.host.clone(), record.port);
    if own.includes(&endpoint, is_local) {
        return true;
    }
    if !own.has_port(record.port) || record.host.parse::<std::net::IpAddr>().is_ok() {
        return false;
    }
    let addresses = asker.addresses(&record.host).await;
    addresses
        .iter()
        .any(|address| own.includes(&Endpoint::tcp(address.to_string(), record.port), is_local))
}
