//! A network connector: keeps a bridge to each broker of its list, for as long as it runs.

mod board;
mod demand_notes;
mod handle;
mod status;
mod supervisor;

pub use demand_notes::DemandNote;
pub use handle::{LinkProspect, LinkWatch, NetworkConnector, NetworkConnectorHandle};
pub use status::{LinkState, LinkStatus};
