//! The task that asks registries again and again.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::config::HttpConfig;
use super::request::{Wish, ask};
use super::seen::Seen;
use crate::known::Known;
use crate::own::{Own, is_local};
use crate::running::Discovery;

/// Asks for as long as it is wanted.
pub(crate) fn look_up(config: HttpConfig, own: Own) -> Discovery {
    Discovery::spawn(move |known| run(config, own, known))
}

async fn run(config: HttpConfig, own: Own, known: watch::Sender<Arc<Known>>) {
    let mut seen = Seen::new(own, config.discovered.clone(), config.update_interval);
    let wish = Wish::List(config.update_interval * 3);
    let mut complained = false;
    loop {
        let mut asking = JoinSet::new();
        for registry in config.registries.clone() {
            let wish = wish.clone();
            asking.spawn(async move {
                let answer = ask(&registry, &wish).await;
                (registry, answer)
            });
        }
        let mut answers = Vec::new();
        let mut reasons = Vec::new();
        while let Some(asked) = asking.join_next().await {
            match asked {
                Ok((_, Ok(answer))) => answers.push(answer),
                Ok((registry, Err(error))) => reasons.push(format!("{registry}: {error}")),
                Err(_) => {}
            }
        }
        if !answers.is_empty() {
            complained = false;
        } else if !std::mem::replace(&mut complained, true) {
            let reasons = reasons.join("; ");
            tracing::warn!(reasons, "no registry of brokers answers; those known are kept");
        }
        seen.take_in(&answers, is_local, Instant::now());
        let now = seen.known();
        known.send_if_modified(|known| {
            let changed = **known != now;
            if changed {
                *known = Arc::new(now);
            }
            changed
        });
        sleep(config.update_interval).await;
    }
}
