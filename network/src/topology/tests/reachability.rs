//! The model of a network: links, demand, filters and hop limits.

use crate::topology::graph::{Crossing, Graph, Hop, Limit, Obstacle};

fn hop(from: usize, to: usize) -> Hop {
    Hop {
        from,
        to,
        crossing: Crossing::OnDemand,
        message_ttl: Limit::None,
        consumer_ttl: Limit::None,
    }
}

fn limited(from: usize, to: usize, message_ttl: u32, consumer_ttl: u32) -> Hop {
    Hop {
        message_ttl: Limit::Hops(message_ttl),
        consumer_ttl: Limit::Hops(consumer_ttl),
        ..hop(from, to)
    }
}

#[test]
fn links_carry_one_way() {
    let graph = Graph::new(3, vec![hop(0, 1), hop(1, 2)]);
    assert_eq!(graph.route(0, 2, None), Some(vec![0, 1]));
    assert_eq!(graph.route(1, 1, None), Some(vec![]));
    assert_eq!(graph.route(2, 0, None), None);
    assert_eq!(graph.obstacle(2, 0), Obstacle::NoWay);
    assert!(graph.leads_to(0, 2) && !graph.leads_to(2, 0));
}

#[test]
fn the_shortest_way_is_taken_and_another_when_a_broker_is_down() {
    let graph = Graph::new(4, vec![hop(0, 1), hop(1, 2), hop(2, 3), hop(0, 2)]);
    assert_eq!(graph.route(0, 3, None), Some(vec![3, 2]));
    let ring = Graph::new(4, vec![hop(0, 1), hop(1, 3), hop(0, 2), hop(2, 3)]);
    assert_eq!(ring.route(0, 3, Some(1)), Some(vec![2, 3]));
    assert_eq!(ring.route(0, 3, Some(2)), Some(vec![0, 1]));
}

#[test]
fn activemqs_hop_limit_of_one_reaches_the_neighbour_only() {
    let chain = Graph::new(3, vec![limited(0, 1, 1, 1), limited(1, 2, 1, 1)]);
    assert!(chain.route(0, 1, None).is_some());
    assert_eq!(chain.route(0, 2, None), None);
    // The demand of a consumer on 2 reaches 1, but is no demand for 0 any more.
    assert_eq!(chain.obstacle(0, 2), Obstacle::DemandTooFar { hop: 0, travelled: 1, limit: 1 });
}

#[test]
fn messages_have_a_limit_of_their_own() {
    let chain = Graph::new(3, vec![limited(0, 1, 1, 9), limited(1, 2, 1, 9)]);
    assert_eq!(chain.route(0, 2, None), None);
    assert_eq!(chain.obstacle(0, 2), Obstacle::MessageTooFar { hop: 1, travelled: 1, limit: 1 });
    let enough = Graph::new(3, vec![limited(0, 1, 1, 2), limited(1, 2, 2, 1)]);
    assert_eq!(enough.route(0, 2, None), Some(vec![0, 1]));
}

#[test]
fn demand_with_a_limit_of_zero_still_comes_from_direct_consumers() {
    let chain = Graph::new(3, vec![limited(0, 1, 9, 0), limited(1, 2, 9, 0)]);
    assert!(chain.route(1, 2, None).is_some());
    assert_eq!(chain.route(0, 2, None), None);
}

#[test]
fn a_static_link_asks_for_itself() {
    let always = Hop { crossing: Crossing::Always, ..limited(1, 2, 9, 1) };
    // 0 - 1 = 2 - 3: the demand of 3 dies at the static link, which makes its own.
    let chain = Graph::new(4, vec![limited(0, 1, 9, 2), always, limited(2, 3, 9, 1)]);
    assert_eq!(chain.route(0, 3, None), Some(vec![0, 1, 2]));
}

#[test]
fn a_filter_is_named_only_where_no_way_goes_round_it() {
    let barred = |from, to| Hop { crossing: Crossing::Barred, ..hop(from, to) };
    let round = Graph::new(3, vec![barred(0, 2), hop(0, 1), hop(1, 2)]);
    assert_eq!(round.route(0, 2, None), Some(vec![1, 2]));
    let shut = Graph::new(3, vec![barred(0, 2), hop(0, 1), barred(1, 2)]);
    assert_eq!(shut.route(0, 2, None), None);
    assert_eq!(shut.obstacle(0, 2), Obstacle::Barred { hops: vec![0] });
}

#[test]
fn a_longer_way_is_found_when_limits_shut_the_shorter_one() {
    // 0-1-4 is shorter, but 1-4 takes no message that has come a hop; 0-2-3-4 has no limits.
    let hops = vec![hop(0, 1), limited(1, 4, 1, 9), hop(0, 2), hop(2, 3), hop(3, 4)];
    let graph = Graph::new(5, hops);
    assert_eq!(graph.route(0, 4, None), Some(vec![2, 3, 4]));
}

/// The search against the rule said plainly: every simple way, every limit checked on it.
#[test]
fn the_search_agrees_with_trying_every_way() {
    let mut rng = fastrand::Rng::with_seed(7);
    let mut reached = 0;
    for round in 0..3_000 {
        let brokers = rng.usize(2..6);
        let hops: Vec<Hop> = (0..rng.usize(1..12))
            .map(|_| Hop {
                from: rng.usize(0..brokers),
                to: rng.usize(0..brokers),
                crossing: match rng.u8(0..8) {
                    0 => Crossing::Barred,
                    1 => Crossing::Always,
                    _ => Crossing::OnDemand,
                },
                message_ttl: some_limit(&mut rng),
                consumer_ttl: some_limit(&mut rng),
            })
            .collect();
        let graph = Graph::new(brokers, hops.clone());
        let (from, to) = (rng.usize(0..brokers), rng.usize(0..brokers));
        let expected = try_every_way(&hops, from, to, &mut vec![from], &mut Vec::new());
        let found = graph.route(from, to, None);
        assert_eq!(found.is_some(), expected, "round {round}: {from} to {to} of {hops:?}");
        if let Some(way) = found {
            reached += usize::from(from != to);
            assert!(passes(&hops, &way), "round {round}: {way:?} of {hops:?}");
        }
    }
    assert!(reached > 300, "only {reached} ways were found: the test is too narrow");
}

fn some_limit(rng: &mut fastrand::Rng) -> Limit {
    match rng.u8(0..3) {
        0 => Limit::None,
        _ => Limit::Hops(rng.u32(0..4)),
    }
}

fn try_every_way(
    hops: &[Hop],
    at: usize,
    to: usize,
    visited: &mut Vec<usize>,
    way: &mut Vec<usize>,
) -> bool {
    if at == to && passes(hops, way) {
        return true;
    }
    for (index, hop) in hops.iter().enumerate() {
        if hop.from != at || visited.contains(&hop.to) {
            continue;
        }
        visited.push(hop.to);
        way.push(index);
        let found = try_every_way(hops, hop.to, to, visited, way);
        way.pop();
        visited.pop();
        if found {
            return true;
        }
    }
    false
}

fn passes(hops: &[Hop], way: &[usize]) -> bool {
    let mut demand = 0;
    for index in way.iter().rev() {
        let hop = &hops[*index];
        let too_far =
            matches!(hop.consumer_ttl, Limit::Hops(limit) if demand > 0 && demand >= limit);
        match hop.crossing {
            Crossing::Barred => return false,
            Crossing::Always => demand = 1,
            Crossing::OnDemand if too_far => return false,
            Crossing::OnDemand => demand += 1,
        }
    }
    (0..).zip(way).all(|(travelled, index)| match hops[*index].message_ttl {
        Limit::None => true,
        Limit::Hops(limit) => travelled < limit,
    })
}
