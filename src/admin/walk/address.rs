//! Where a neighbour's admin API is to be asked.

use std::net::IpAddr;

use crate::admin::client::AdminUrl;
use crate::config::AdminAddress;

/// Turns what a broker says about its admin API (`HOST:PORT`, `*` for any host of its machine) into
/// a URL. `place` is where the broker was met, as `tcp://HOST:PORT`; `asked` is where the one was
/// asked that met it. Err: why it cannot be asked from here.
pub(super) fn admin_url(told: &str, place: &str, asked: &AdminUrl) -> Result<AdminUrl, String> {
    let unreadable =
        || format!("{told:?}, where it says that its admin API answers, is no address");
    let (host, port) = told.rsplit_once(':').ok_or_else(unreadable)?;
    let port: u16 = port.parse().map_err(|_| unreadable())?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let met = host_of(place).unwrap_or_default();
    let host = if host == "*" {
        // It was met on a machine; seen from another one, "this machine" is that other one.
        if is_loopback(&met) { asked.host().to_owned() } else { met }
    } else if is_loopback(host) && !(is_loopback(&met) && is_loopback(asked.host())) {
        return Err(format!("its admin API answers on its own machine only ({told})"));
    } else {
        host.to_owned()
    };
    if host.is_empty() {
        return Err(unreadable());
    }
    Ok(AdminUrl::of(AdminAddress { host, port }))
}

/// The host in `tcp://HOST:PORT`.
fn host_of(place: &str) -> Option<String> {
    let rest = place.split_once("://").map_or(place, |(_, rest)| rest);
    let (host, _) = rest.rsplit_once(':')?;
    Some(host.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(told: &str, place: &str, asked: &str) -> Result<String, String> {
        admin_url(told, place, &AdminUrl::parse(asked).unwrap()).map(|url| url.to_string())
    }

    #[test]
    fn an_address_is_taken_as_it_is_and_a_star_is_the_host_where_the_broker_was_met() {
        let here = "127.0.0.1:8161";
        assert_eq!(url("paris:9000", "tcp://10.0.0.7:61616", here).unwrap(), "http://paris:9000");
        assert_eq!(url("*:9000", "tcp://10.0.0.7:5123", here).unwrap(), "http://10.0.0.7:9000");
        assert_eq!(url("*:9000", "tcp://[fe80::1]:1", here).unwrap(), "http://[fe80::1]:9000");
        // London says that paris is on its own machine: seen from here, on london's.
        let london = "london:8161";
        assert_eq!(url("*:9000", "tcp://127.0.0.1:1", london).unwrap(), "http://london:9000");
    }

    #[test]
    fn loopback_is_asked_only_where_everything_is_on_one_machine() {
        let loopback = "127.0.0.1:9000";
        assert_eq!(
            url(loopback, "tcp://localhost:1", "127.0.0.1:8161").unwrap(),
            "http://127.0.0.1:9000"
        );
        for (place, asked) in [("tcp://10.0.0.7:1", "127.0.0.1:1"), ("tcp://127.0.0.1:1", "a:1")] {
            assert!(url(loopback, place, asked).unwrap_err().contains("own machine only"));
        }
        for told in ["", "paris", "paris:high", ":9000"] {
            assert!(url(told, "tcp://10.0.0.7:1", "127.0.0.1:1").is_err(), "{told}");
        }
    }
}
