//! Why nobody beyond a link asks for a destination.

use ferrymq_network::connector::{DemandNote, LinkProspect, LinkState};
use tokio::time::Instant;

use super::finding::{Finding, lasting, of_verdict};

/// Why a link has no subscription to a destination. What is so by configuration comes first, then
/// the state of the link, then what is known of consumers beyond it.
pub(super) fn without_demand(link: &LinkProspect, destination: &str, now: Instant) -> Finding {
    if !link.permit.may_cross() {
        return of_verdict(&link.permit);
    }
    let status = &link.status;
    let lasts = || lasting(now.saturating_duration_since(status.since));
    let remote = status.remote_broker.as_ref().map_or("the broker there", |one| one.name.as_str());
    match &status.state {
        LinkState::WaitingToRetry { reason, until } => {
            let next = lasting(until.saturating_duration_since(now));
            return Finding::new(
                "link_down",
                format!("the link is down for {}: {reason}; next try in {next}", lasts()),
            )
            .moved_by(format!("{remote} becoming reachable at {}", status.remote_uri));
        }
        LinkState::GivenUp { reason } => {
            return Finding::new(
                "link_given_up",
                format!("the link was given up {} ago: {reason}", lasts()),
            )
            .moved_by("a restart of the broker; maxReconnectAttempts=0 never gives up");
        }
        LinkState::Connecting | LinkState::Handshaking => {
            return Finding::new(
                "link_connecting",
                format!("the link is being made, for {} now", lasts()),
            )
            .moved_by(format!("{remote} answering at {}", status.remote_uri));
        }
        LinkState::Standby { reason } => {
            return Finding::new("link_standby", format!("not needed for now: {reason}"));
        }
        LinkState::Stopped => return Finding::new("link_stopped", "the connector was stopped"),
        LinkState::Live { .. } => {}
    }
    if !link.follows_demand {
        return Finding::new(
            "static_bridge",
            "the connector follows no demand (static_bridge), and its statically_included does not \
             name the destination",
        )
        .moved_by(format!("{destination} in the connector's `statically_included`"));
    }
    no_demand(link, remote, destination, now)
}

fn no_demand(link: &LinkProspect, remote: &str, destination: &str, now: Instant) -> Finding {
    let ago = |at: Instant| lasting(now.saturating_duration_since(at));
    let newest = |pick: fn(&DemandNote) -> bool| link.notes.iter().find(|note| pick(note));
    if let Some((reason, at)) =
        newest(|note| note.refused.is_some()).and_then(|n| n.refused.clone())
    {
        return Finding::new(
            "demand_refused",
            format!(
                "a consumer at {remote} asked {} ago, and this broker refused: {reason}",
                ago(at)
            ),
        );
    }
    let ended = newest(|note| note.ended.is_some()).and_then(|note| note.ended);
    let ignored = newest(|note| note.ignored.is_some()).and_then(|note| note.ignored.clone());
    if let Some((verdict, at)) = ignored
        && ended.is_none_or(|ended| at >= ended)
    {
        let Finding { word, reason, remedy } = of_verdict(&verdict);
        let reason = match word {
            "already_visited" => format!(
                "the only demand at {remote} is for consumers that are reached by way of this \
                 broker, announced {} ago",
                ago(at)
            ),
            _ => format!(
                "a consumer beyond {remote} was announced {} ago and is not followed: {reason}",
                ago(at)
            ),
        };
        return Finding { word, reason, remedy };
    }
    let reason = match ended {
        Some(at) => format!("no demand: the last consumer at {remote} left {} ago", ago(at)),
        None => {
            let since = lasting(now.saturating_duration_since(link.status.since));
            format!("no demand: {remote} has announced no consumer since the link is up ({since})")
        }
    };
    Finding::new("no_demand", reason)
        .moved_by(format!("a consumer of {destination} at {remote}, or beyond it"))
}
