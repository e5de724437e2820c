//! Five brokers in a shape, each bridged to its neighbours in both directions.

use ferrymq::config::Limits;
use ferrymq::node::Node;

use super::simulation::Simulation;

/// Which brokers are joined, by their numbers.
pub type Shape = &'static [(usize, usize)];

pub const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub const LINE: Shape = &[(0, 1), (1, 2), (2, 3), (3, 4)];
pub const STAR: Shape = &[(0, 1), (0, 2), (0, 3), (0, 4)];
pub const RING: Shape = &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)];
pub const TREE: Shape = &[(0, 1), (0, 2), (1, 3), (1, 4)];
pub const MESH: Shape =
    &[(0, 1), (0, 2), (0, 3), (0, 4), (1, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 4)];

/// Starts them.
pub async fn brokers(simulation: &Simulation, shape: Shape) -> Vec<Node> {
    let mut nodes = Vec::new();
    for (at, name) in NAMES.iter().enumerate() {
        let neighbours = shape.iter().filter_map(|(one, other)| match at {
            _ if at == *one => Some(NAMES[*other]),
            _ if at == *other => Some(NAMES[*one]),
            _ => None,
        });
        let neighbours: Vec<&str> = neighbours.collect();
        nodes.push(simulation.broker(name, &neighbours, Limits::default()).await);
    }
    nodes
}
