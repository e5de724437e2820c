//! Metrics in Prometheus' text format.

mod destinations;
mod exposition;
mod families;

pub(super) use exposition::CONTENT_TYPE;
pub(super) use families::metrics;
