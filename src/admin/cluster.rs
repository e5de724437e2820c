//! `/api/v1/cluster`: the brokers that clients are told of, and what would be done about clients
//! now. Asking changes nothing.

use serde::Serialize;

use crate::node::{Member, Move, NodeWatch, Plan};

/// `/api/v1/cluster`.
#[derive(Debug, Serialize)]
pub(super) struct ClusterAnswer {
    /// Whether any connector tells its clients about other brokers.
    guides_clients: bool,
    /// Clients here that could go elsewhere.
    clients: u64,
    /// How many there would be, were all brokers alike.
    share: u64,
    /// The other brokers, by address.
    brokers: Vec<MemberAnswer>,
    /// Who would be sent where.
    moves: Vec<MoveAnswer>,
}

#[derive(Debug, Serialize)]
struct MemberAnswer {
    name: String,
    url: String,
    /// Whether a bridge leads there or comes from there.
    near: bool,
    /// Its clients that could go elsewhere; `null` if it does not say.
    clients: Option<u64>,
    /// Whether it wants its share of them.
    balances: bool,
}

#[derive(Debug, Serialize)]
struct MoveAnswer {
    to: String,
    clients: u64,
}

/// What a node knows of its cluster.
pub(super) fn cluster(node: &NodeWatch) -> ClusterAnswer {
    let cluster = node.cluster();
    let guides_clients = cluster.is_some();
    let (members, Plan { clients, share, moves }) = cluster.unwrap_or_default();
    let member = |member: Member| MemberAnswer {
        name: member.name,
        url: member.url,
        near: member.near,
        clients: member.clients.map(|clients| clients as u64),
        balances: member.balances,
    };
    let moved = |Move { to, clients }| MoveAnswer { to, clients: clients as u64 };
    ClusterAnswer {
        guides_clients,
        clients: clients as u64,
        share: share as u64,
        brokers: members.into_iter().map(member).collect(),
        moves: moves.into_iter().map(moved).collect(),
    }
}
