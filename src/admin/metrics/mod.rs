//! Metrics in Prometheus' text format.

mod destinations;
mod exposition;
mod families;
mod links;

pub(super) use exposition::CONTENT_TYPE;
pub(super) use families::metrics;
