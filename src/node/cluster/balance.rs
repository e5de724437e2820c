//! How many clients go where, so that all brokers have about as many: a pure rule.

/// What is to be done about a broker's clients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// How many clients this broker has that could go elsewhere.
    pub clients: usize,
    /// How many it would have, were all alike.
    pub share: usize,
    /// Who gets some of them.
    pub moves: Vec<Move>,
}

/// Some clients that go to another broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where they go.
    pub to: String,
    /// How many.
    pub clients: usize,
}

/// A broker above its share by no more than one in so many keeps its clients: counts are never
/// quite up to date, and each move costs its client something.
const SLACK: usize = 25;

/// What a broker with so many clients does, given how many others have. Every broker that has too
/// many gives to those that have too few, in proportion to what they lack, so that together they
/// give each what it lacks and no more.
pub(in crate::node) fn plan(clients: usize, others: &[(&str, usize)]) -> Plan {
    let total = others.iter().fold(clients, |total, (_, other)| total.saturating_add(*other));
    let brokers = others.len() + 1;
    let share = total.div_ceil(brokers);
    let mut plan = Plan { clients, share, moves: Vec::new() };
    let surplus = clients.saturating_sub(share);
    if surplus == 0 || surplus <= share / SLACK {
        return plan;
    }
    let lacks = |other: usize| (total / brokers).saturating_sub(other);
    let lacking = others.iter().fold(0, |sum, (_, other)| sum + lacks(*other));
    if lacking == 0 {
        return plan;
    }
    for (to, other) in others {
        let clients = surplus.min(lacking).saturating_mul(lacks(*other)).div_ceil(lacking);
        if clients > 0 {
            plan.moves.push(Move { to: (*to).to_owned(), clients });
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moves(clients: usize, others: &[usize]) -> Vec<usize> {
        let names = ["b", "c", "d"];
        let others: Vec<_> = names.into_iter().zip(others.iter().copied()).collect();
        let plan = plan(clients, &others);
        others
            .iter()
            .map(|(name, _)| plan.moves.iter().find(|m| m.to == *name).map_or(0, |m| m.clients))
            .collect()
    }

    #[test]
    fn what_is_too_much_goes_where_there_is_too_little() {
        assert_eq!(moves(300, &[0]), [150]);
        assert_eq!(moves(250, &[250, 0]), [0, 83], "the other one gives the rest");
        assert_eq!(moves(400, &[100, 100]), [100, 100]);
        assert_eq!(moves(600, &[0, 150, 50]), [200, 50, 150]);
    }

    #[test]
    fn who_has_its_share_or_about_as_much_moves_nobody() {
        for (clients, others) in
            [(100, &[100, 100][..]), (102, &[99, 99]), (0, &[10]), (1, &[0]), (5, &[]), (0, &[])]
        {
            assert!(moves(clients, others).iter().all(|m| *m == 0), "{clients} {others:?}");
        }
    }

    #[test]
    fn all_that_have_too_many_give_together_what_is_lacking() {
        let counts = [260, 180, 60, 0];
        let mut after = counts.map(|count| count as i64);
        for (giver, count) in counts.iter().enumerate() {
            let others: Vec<(String, usize)> = (0..4)
                .filter(|other| *other != giver)
                .map(|other| (other.to_string(), counts[other]))
                .collect();
            let others: Vec<_> = others.iter().map(|(name, n)| (name.as_str(), *n)).collect();
            for given in plan(*count, &others).moves {
                after[giver] -= given.clients as i64;
                after[given.to.parse::<usize>().unwrap()] += given.clients as i64;
            }
        }
        assert!(after.iter().all(|count| (122..=128).contains(count)), "{after:?}");
    }
}
