//! Words for why something does not get through, and where the file should change.

use ferrymq_openwire::destination::Destination;

use crate::document::source::Span;
use crate::rules::verdict::Verdict;

use super::graph::{Graph, Obstacle};
use super::spec::{BrokerIndex, LinkSpec, Topology};

/// Why nothing gets through.
pub(super) struct Reason {
    /// The link to change, where it is one link's doing.
    pub(super) span: Option<Span>,
    /// The reason in words.
    pub(super) text: String,
}

/// A link's step to one of its targets: the graph's hop and what it stands for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'t> {
    /// The link.
    pub(super) link: &'t LinkSpec,
    /// Which of its targets.
    pub(super) to: BrokerIndex,
}

/// Why `destination` does not get from one broker to another.
pub(super) fn reason(
    topology: &Topology,
    graph: &Graph,
    steps: &[Step<'_>],
    destination: &Destination,
    from: BrokerIndex,
    to: BrokerIndex,
) -> Reason {
    let name = |index: BrokerIndex| topology.name_of(index);
    let link = |hop: usize| steps.get(hop).map(|step| step.link);
    let title =
        |link: &LinkSpec| format!("link `{}` of `{}`", link.connector.name, name(link.from));
    let no_way = |text: String| Reason { span: None, text };
    match graph.obstacle(from.0, to.0) {
        Obstacle::NoWay if graph.leads_to(to.0, from.0) => no_way(format!(
            "links lead only from `{}` to `{}`, and a link carries messages from its `from` to its `to`",
            name(to),
            name(from)
        )),
        Obstacle::NoWay => no_way(format!("no links lead from `{}` to `{}`", name(from), name(to))),
        Obstacle::Barred { hops } => {
            let Some(link) = hops.first().and_then(|hop| link(*hop)) else {
                return no_way("a filter keeps it out".to_owned());
            };
            let why = match link.connector.permits().verdict(destination) {
                Verdict::Excluded { by } => format!("`excluded` has `{by}`"),
                Verdict::NotIncluded => "`dynamically_included` does not have it".to_owned(),
                Verdict::TemporaryNotBridged => "`bridge_temp_destinations` is false".to_owned(),
                other => other.to_string(),
            };
            Reason {
                span: Some(link.span.clone()),
                text: format!("{} keeps it out: {why}", title(link)),
            }
        }
        Obstacle::DemandTooFar { hop, travelled, limit } => {
            let who = link(hop).map_or_else(|| "a link".to_owned(), title);
            Reason {
                span: link(hop).map(|link| link.span.clone()),
                text: format!(
                    "{who} ignores demand that is {travelled} hops away: `consumer_ttl` is {limit}, and has to be at least {}",
                    travelled.saturating_add(1)
                ),
            }
        }
        Obstacle::MessageTooFar { hop, travelled, limit } => {
            let who = link(hop).map_or_else(|| "a link".to_owned(), title);
            Reason {
                span: link(hop).map(|link| link.span.clone()),
                text: format!(
                    "{who} keeps messages that have made {travelled} hops: `message_ttl` is {limit}, and has to be at least {}",
                    travelled.saturating_add(1)
                ),
            }
        }
    }
}
