//! The task that watches a file.

use std::io;
use std::path::Path;
use std::sync::Arc;

use ferrymq_transport::endpoint::Endpoint;
use tokio::io::AsyncReadExt;
use tokio::sync::watch::Sender;
use tokio::time::sleep;

use super::config::FileConfig;
use super::list::{LONGEST, Listed, Reading};
use crate::known::{Known, Remote};
use crate::own::{Own, is_local};
use crate::running::Discovery;

/// Watches a file for as long as it is wanted.
pub(crate) fn watch(config: FileConfig, own: Own) -> Discovery {
    Discovery::spawn(move |known| run(config, own, known))
}

async fn run(config: FileConfig, own: Own, known: Sender<Arc<Known>>) {
    let file = config.path.display().to_string();
    let mut listed = Listed::default();
    let mut complained = false;
    loop {
        match read(&config.path).await {
            Ok(bytes) => {
                complained = false;
                match listed.take_in(bytes, &config.discovered) {
                    Reading::Nothing => {}
                    Reading::List(remotes) => {
                        let is_other = |remote: &Remote| !is_own(remote, &own);
                        let others: Vec<Remote> = remotes.into_iter().filter(is_other).collect();
                        tracing::info!(file, brokers = others.len(), "the list of brokers is read");
                        known.send_replace(Arc::new(Known::exactly(others)));
                    }
                    Reading::Broken(error) => {
                        tracing::warn!(
                            "{file}:{}: {}; the last list is kept",
                            error.line,
                            error.what
                        );
                    }
                }
            }
            Err(error) => {
                listed.missing();
                if !std::mem::replace(&mut complained, true) {
                    tracing::warn!(file, %error, "cannot read the list of brokers; the last one is kept");
                }
            }
        }
        sleep(config.poll_interval).await;
    }
}

async fn read(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a pipe would wait for its writer.
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let file = tokio::fs::File::open(path).await?;
    // One byte more than there may be tells a longer one.
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes).await?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LONGEST {
        return Err(io::Error::other(format!("it is longer than {LONGEST} bytes")));
    }
    Ok(bytes)
}

fn is_own(remote: &Remote, own: &Own) -> bool {
    remote.addresses().all(|endpoint: &Endpoint| own.includes(endpoint, is_local))
}
