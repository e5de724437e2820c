//! A network connector: keeps a bridge to each broker of its list, for as long as it runs.

mod accepted;
mod board;
mod demand_notes;
mod handle;
mod live_endpoint;
mod outage;
mod register;
mod status;
mod supervisor;
mod witness;

pub use accepted::{AcceptedBridges, AdmitError, AdmittedBridge};
pub use demand_notes::DemandNote;
pub use handle::{LinkProspect, LinkWatch, NetworkConnector, NetworkConnectorHandle};
pub use register::LinkRegister;
pub use status::{LinkState, LinkStatus, MadeBy};
