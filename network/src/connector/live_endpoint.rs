//! An address to dial, with what both transports are to agree on about silence.

use std::time::Duration;

use ferrymq_transport::endpoint::Endpoint;

const INACTIVITY: &str = "wireFormat.maxInactivityDuration";
/// ActiveMQ's spelling.
const INITIAL_DELAY: &str = "wireFormat.maxInactivityDurationInitalDelay";

/// The endpoint, with half of `link_timeout` as the silence after which either end takes the
/// other for gone: so that the accepted side notices a black hole as well, and so does a bridge
/// whose far broker answers nothing while it has no room. What the address says itself stays.
pub(super) fn live_endpoint(endpoint: &Endpoint, link_timeout: Duration) -> Endpoint {
    let half = (link_timeout / 2).as_millis().max(1).to_string();
    let said = |option: &str| endpoint.options.get(option).is_some();
    let mut live = endpoint.clone();
    for option in [INACTIVITY, INITIAL_DELAY] {
        if !said(option) && !said(&option.replace("Inital", "Initial")) {
            live = live.with_option(option, half.clone());
        }
    }
    live
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_agree_on_half_of_the_timeout_unless_the_address_says_more() {
        let endpoint: Endpoint = "tcp://a:1".parse().unwrap();
        assert_eq!(
            live_endpoint(&endpoint, Duration::from_secs(4)).to_string(),
            "tcp://a:1?wireFormat.maxInactivityDuration=2000\
             &wireFormat.maxInactivityDurationInitalDelay=2000"
        );
        let own = endpoint.with_option(INACTIVITY, "0").with_option(INITIAL_DELAY, "7");
        assert_eq!(live_endpoint(&own, Duration::from_secs(4)), own);
    }
}
