//! Links that are kept open to further brokers (`backup`): agreed on, and nothing more.

use std::sync::Arc;
use std::time::Duration;

use ferrymq_transport::dial::Dialer;
use ferrymq_transport::endpoint::Endpoint;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::line::Line;
use crate::failover::same;

/// How long after a look at the spare links the next one is due.
const PERIOD: Duration = Duration::from_secs(1);

/// Spare links, up to a number.
pub(super) struct Spares {
    dialer: Arc<dyn Dialer>,
    wanted: usize,
    kept: Vec<Spare>,
    look_at: Instant,
}

/// A link, and the task that keeps it alive.
struct Spare {
    endpoint: Endpoint,
    /// Asks for the link.
    give: Option<oneshot::Sender<()>>,
    /// Gives it, unless it has broken.
    task: JoinHandle<Option<Line>>,
}

impl Spares {
    /// Keeps up to `wanted` of them; none yet.
    pub(super) fn new(dialer: Arc<dyn Dialer>, wanted: usize) -> Self {
        Self { dialer, wanted, kept: Vec::new(), look_at: Instant::now() }
    }

    /// When to [`tend`](Self::tend) them.
    pub(super) fn look_at(&self) -> Option<Instant> {
        (self.wanted > 0).then_some(self.look_at)
    }

    /// Replaces those that broke or are wanted no more: `candidates` are the addresses that may
    /// have one, best first.
    pub(super) fn tend(&mut self, candidates: &[Endpoint]) {
        self.look_at = Instant::now() + PERIOD;
        self.kept.retain(|spare| {
            !spare.task.is_finished() && candidates.iter().any(|at| same(at, &spare.endpoint))
        });
        for endpoint in candidates {
            if self.kept.len() >= self.wanted {
                return;
            }
            if self.kept.iter().any(|spare| same(&spare.endpoint, endpoint)) {
                continue;
            }
            let (give, asked) = oneshot::channel();
            let task = tokio::spawn(keep(Arc::clone(&self.dialer), endpoint.clone(), asked));
            self.kept.push(Spare { endpoint: endpoint.clone(), give: Some(give), task });
        }
    }

    /// A spare link, unless all are broken or not made yet.
    pub(super) async fn take(&mut self) -> Option<Line> {
        while let Some(mut spare) = self.kept.pop() {
            if let Some(give) = spare.give.take() {
                let _ = give.send(());
            }
            if let Ok(Some(line)) = (&mut spare.task).await {
                return Some(line);
            }
        }
        None
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Dials, and keeps the link alive until it is asked for. One that is not there yet is none.
async fn keep(
    dialer: Arc<dyn Dialer>,
    endpoint: Endpoint,
    mut asked: oneshot::Receiver<()>,
) -> Option<Line> {
    let mut line = tokio::select! {
        biased;
        _ = &mut asked => return None,
        line = Line::dial(dialer, endpoint) => line.ok()?,
    };
    tokio::select! {
        biased;
        given = &mut asked => given.ok()?,
        () = line.idle() => return None,
    }
    Some(line)
}
