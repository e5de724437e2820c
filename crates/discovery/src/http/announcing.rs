//! The task that registers a broker again and again.

use ferrymq_transport::endpoint::Endpoint;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::config::HttpConfig;
use super::request::{Wish, ask};

/// Registers `endpoint` with all registries until told to stop, and takes it out then.
pub(crate) async fn announce(
    config: HttpConfig,
    endpoint: Endpoint,
    mut stopping: watch::Receiver<bool>,
) {
    let mut complained = false;
    loop {
        let registered = async {
            let refused = tell_all(&config, &Wish::Put(endpoint.clone())).await;
            if refused.is_empty() {
                complained = false;
            } else if !std::mem::replace(&mut complained, true) {
                let reasons = refused.join("; ");
                tracing::warn!(%endpoint, reasons, "cannot register this broker; trying again");
            }
            sleep(config.update_interval).await;
        };
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => break,
            () = registered => {}
        }
    }
    let refused = tell_all(&config, &Wish::Delete(endpoint.clone())).await;
    if !refused.is_empty() {
        tracing::debug!(%endpoint, reasons = refused.join("; "), "cannot take leave of registries");
    }
}

/// Tells all registries; what those say that do not take it.
async fn tell_all(config: &HttpConfig, wish: &Wish) -> Vec<String> {
    let mut telling = JoinSet::new();
    for registry in config.registries.clone() {
        let wish = wish.clone();
        telling.spawn(async move {
            let told = ask(&registry, &wish).await;
            told.err().map(|error| format!("{registry}: {error}"))
        });
    }
    let mut refused = Vec::new();
    while let Some(told) = telling.join_next().await {
        refused.extend(told.ok().flatten());
    }
    refused
}
