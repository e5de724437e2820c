//! Whether two addresses are the same broker's.

use ferrymq_transport::endpoint::Endpoint;

/// Whether both are the same broker, whatever options they are written with.
pub(crate) fn same(one: &Endpoint, other: &Endpoint) -> bool {
    one.port == other.port && one.host.eq_ignore_ascii_case(&other.host)
}
