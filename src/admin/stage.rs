//! How far the node has come.

use std::sync::Arc;

use parking_lot::RwLock;

use crate::node::NodeWatch;

/// How far the node has come: what readiness is, and where snapshots come from.
#[derive(Clone)]
pub(super) enum Stage {
    /// It takes its addresses.
    Starting,
    /// Every listener accepts.
    Ready(NodeWatch),
    /// It drains; what it still does can be seen.
    Stopping(NodeWatch),
}

impl Stage {
    /// As the API names it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready(_) => "ready",
            Self::Stopping(_) => "stopping",
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Ready(_))
    }

    /// The node, once there is one to be seen.
    pub(super) fn node(&self) -> Option<&NodeWatch> {
        match self {
            Self::Starting => None,
            Self::Ready(node) | Self::Stopping(node) => Some(node),
        }
    }
}

/// The stage, shared between the server and whoever moves it on.
#[derive(Clone)]
pub(super) struct SharedStage(Arc<RwLock<Stage>>);

impl SharedStage {
    pub(super) fn starting() -> Self {
        Self(Arc::new(RwLock::new(Stage::Starting)))
    }

    pub(super) fn now(&self) -> Stage {
        self.0.read().clone()
    }

    pub(super) fn ready(&self, node: NodeWatch) {
        *self.0.write() = Stage::Ready(node);
    }

    pub(super) fn stopping(&self) {
        let mut stage = self.0.write();
        if let Stage::Ready(node) = &*stage {
            *stage = Stage::Stopping(node.clone());
        }
    }
}
