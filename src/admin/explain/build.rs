//! Puts an explanation together.

use std::collections::BTreeMap;
use std::sync::Arc;

use ferrymq_openwire::ids::BrokerId;
use ferrymq_openwire::message::{Message, MessageFields};
use ferrymq_openwire::properties::Value;
use tokio::time::Instant;

use super::answer::{
    Considered, ExplainAnswer, GroupAnswer, GroupFinding, HeldMessageAnswer, MessagePlace,
};
use super::consumers::{Guests, Who, title};
use super::finding::{Finding, ago, of_obstacle, settled};
use super::links::without_demand;
use super::wish::Wish;
use crate::admin::snapshot::{name, next_try};
use crate::destination::{HeldMessage, Obstacle, SubscriptionInsight, SubscriptionKey};
use crate::node::NodeWatch;
use crate::routing::{QueueInsight, Sought};

/// How often messages and subscriptions are put together for groups.
const MOST_CHECKS: usize = 20_000;
/// How many groups are shown; those of few messages are left out.
const MOST_GROUPS: usize = 20;

/// Why a message of a queue waits.
pub(in crate::admin) fn explain(node: &NodeWatch, wish: &Wish) -> ExplainAnswer {
    let links = node.link_prospects(&wish.queue);
    let connections = node.connections();
    let guests = Guests::new(&connections, &links);
    let id = wish.message.as_ref().map(|(_, id)| id);
    let insight = node.queue_insight(&wish.queue, id);
    let clocks = (node.now_millis(), Instant::now());
    let queue = wish.queue.to_string();
    let mut answer = ExplainAnswer {
        broker: name(&node.broker().identity),
        queue: queue.clone(),
        exists: insight.is_some(),
        waiting: 0,
        in_flight: 0,
        full: false,
        summary: String::new(),
        message: None,
        considered: Vec::new(),
        further_consumers: 0,
        would_move_it: Vec::new(),
        groups: Vec::new(),
        looked_at: 0,
    };
    let mut served = Vec::new();
    if let Some(insight) = &insight {
        answer.waiting = insight.waiting as u64;
        answer.in_flight = insight.in_flight as u64;
        answer.full = insight.full;
        answer.further_consumers = insight.further_subscriptions as u64;
        let whose: Vec<Who> =
            insight.subscriptions.iter().map(|(consumer, _)| guests.who(consumer)).collect();
        served = whose.iter().filter_map(|who| who.link).collect();
        let about = match &wish.probe {
            Some(path) => probe(wish, path).map(|held| (MessagePlace::Probe, held)),
            None => about(insight),
        };
        let named = |id: &BrokerId| guests.name_of(id);
        answer.message = about.as_ref().map(|(place, held)| message(held, *place, named, clocks.0));
        answer.considered = considered(insight, &whose, about.as_ref(), clocks.0);
        (answer.groups, answer.looked_at) = groups(insight, &whose, clocks.0);
    }
    let in_flight = answer.message.as_ref().is_some_and(|m| m.place == MessagePlace::InFlight);
    if !in_flight {
        for (_, link) in links.iter().enumerate().filter(|(at, _)| !served.contains(at)) {
            let finding = without_demand(link, &queue, clocks.1);
            answer.considered.push(Considered {
                kind: "link".to_owned(),
                name: title(&link.status),
                remote: link.status.remote_uri.clone(),
                next_broker: None,
                consumer_id: None,
                verdict: finding.word.to_owned(),
                reason: finding.reason,
                would_move_it: finding.remedy,
                next_try_in_ms: next_try(&link.status.state, clocks.1),
            });
        }
    }
    finish(&mut answer, insight.as_ref(), wish, clocks.0);
    answer
}

/// A message without properties that came by way of these brokers.
fn probe(wish: &Wish, path: &[BrokerId]) -> Option<HeldMessage> {
    let fields = MessageFields {
        destination: Some(wish.queue.clone()),
        priority: 4,
        persistent: true,
        broker_path: Some(path.iter().cloned().map(Some).collect()),
        ..MessageFields::default()
    };
    let message = Arc::new(Message::from_fields(&fields).ok()?);
    Some(HeldMessage { message, sequence: 0, redeliveries: 0, doubt: None })
}

/// The message that the explanation is about.
fn about(insight: &QueueInsight) -> Option<(MessagePlace, HeldMessage)> {
    match &insight.sought {
        Some(Sought::Waiting(held)) => Some((MessagePlace::Waiting, held.clone())),
        Some(Sought::Dispatched(_, held)) => Some((MessagePlace::InFlight, held.clone())),
        Some(Sought::NotFound { .. }) => None,
        None => {
            insight.first.first().map(|held| (MessagePlace::Waiting, held.clone())).or_else(|| {
                first_dispatched(insight).map(|(_, held)| (MessagePlace::InFlight, held))
            })
        }
    }
}

fn first_dispatched(insight: &QueueInsight) -> Option<(SubscriptionKey, HeldMessage)> {
    let oldest = insight
        .subscriptions
        .iter()
        .filter_map(|(_, one)| one.oldest.as_ref().map(|held| (one.key, held.clone())));
    oldest.min_by_key(|(_, held)| held.sequence)
}

/// What each subscription says to the message.
fn considered(
    insight: &QueueInsight,
    whose: &[Who],
    about: Option<&(MessagePlace, HeldMessage)>,
    now: i64,
) -> Vec<Considered> {
    let Some((place, held)) = about else { return Vec::new() };
    let holder = match (&insight.sought, place) {
        (Some(Sought::Dispatched(key, _)), _) => Some(*key),
        (_, MessagePlace::InFlight) => first_dispatched(insight).map(|(key, _)| key),
        (_, MessagePlace::Waiting | MessagePlace::Probe) => None,
    };
    let expired = has_expired(&held.message, now);
    let mut considered = Vec::new();
    for ((consumer, subscription), who) in insight.subscriptions.iter().zip(whose) {
        let finding = match holder {
            Some(key) if key != subscription.key => continue,
            Some(_) => dispatched(subscription, who, now),
            None if expired => Finding::new("expired", "the message has expired: nobody gets it"),
            None => {
                let obstacle = obstacle(insight, subscription, held, now);
                of_obstacle(obstacle.as_ref(), subscription, &who.acknowledges, now)
            }
        };
        considered.push(Considered {
            kind: who.kind.to_owned(),
            name: who.name.clone(),
            remote: who.remote.clone(),
            next_broker: who.next.as_ref().map(name),
            consumer_id: Some(consumer.to_string()),
            verdict: finding.word.to_owned(),
            reason: finding.reason,
            would_move_it: finding.remedy,
            next_try_in_ms: None,
        });
    }
    considered
}

/// What a subscription says to a message that waits.
fn obstacle(
    insight: &QueueInsight,
    subscription: &SubscriptionInsight,
    held: &HeldMessage,
    now: i64,
) -> Option<Obstacle> {
    let all = insight.subscriptions.iter().map(|(_, other)| other);
    let others = all.filter(|other| other.key != subscription.key);
    subscription.obstacle(held, others, &insight.replay, now)
}

/// A subscription that has the message.
fn dispatched(subscription: &SubscriptionInsight, who: &Who, now: i64) -> Finding {
    let settled = settled(subscription, now);
    let have = subscription.in_flight;
    if subscription.network {
        return Finding::new(
            "in_flight",
            format!(
                "it is on its way: {have} are not confirmed by {}, {settled}",
                who.acknowledges
            ),
        )
        .moved_by(format!(
            "the confirmation of {}; if the link ends before, the message returns to this queue",
            who.acknowledges
        ));
    }
    Finding::new("in_flight", format!("it has the message, {have} in all, {settled}")).moved_by(
        format!(
            "the acknowledgement of {}; when it goes, the message returns to the queue",
            who.acknowledges
        ),
    )
}

/// The first messages, put together by what all subscriptions say.
fn groups(insight: &QueueInsight, whose: &[Who], now: i64) -> (Vec<GroupAnswer>, u64) {
    let most = MOST_CHECKS / insight.subscriptions.len().max(1);
    let mut found: BTreeMap<Vec<GroupFinding>, (u64, String)> = BTreeMap::new();
    let looked_at = insight.first.len().min(most);
    for held in insight.first.iter().take(looked_at) {
        let mut findings: Vec<GroupFinding> = insight
            .subscriptions
            .iter()
            .zip(whose)
            .map(|((_, subscription), who)| {
                let obstacle = obstacle(insight, subscription, held, now);
                let finding = of_obstacle(obstacle.as_ref(), subscription, "", 0);
                GroupFinding { name: who.name.clone(), verdict: finding.word.to_owned() }
            })
            .collect();
        findings.sort();
        findings.dedup();
        let group = found.entry(findings).or_insert_with(|| (0, id(&held.message)));
        group.0 += 1;
    }
    let mut groups: Vec<GroupAnswer> = found
        .into_iter()
        .map(|(findings, (messages, first_id))| GroupAnswer { messages, first_id, findings })
        .collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.messages));
    groups.truncate(MOST_GROUPS);
    (groups, looked_at as u64)
}

fn message(
    held: &HeldMessage,
    place: MessagePlace,
    named: impl Fn(&BrokerId) -> Option<String>,
    now: i64,
) -> HeldMessageAnswer {
    let message = &*held.message;
    let path = message.broker_path();
    let here = now.saturating_sub(message.broker_in_time());
    HeldMessageAnswer {
        id: id(message),
        place,
        sent_unix_ms: message.timestamp(),
        arrived_unix_ms: message.broker_in_time(),
        here_ms: u64::try_from(here).unwrap_or(0),
        expires_unix_ms: Some(message.expiration()).filter(|expiration| *expiration > 0),
        expired: has_expired(message, now),
        persistent: message.persistent(),
        priority: message.priority(),
        redeliveries: held.redeliveries,
        size_bytes: message.size() as u64,
        dead_because: dead_because(message),
        path: path.iter().map(ToString::to_string).collect(),
        path_names: path.iter().map(named).collect(),
        path_unix_ms: message.hop_times(),
    }
}

/// What a broker noted when it made a message a dead letter.
fn dead_because(message: &Message) -> Option<String> {
    let properties = message.properties().ok()?;
    match properties.get("dlqDeliveryFailureCause") {
        Some(Value::String(cause)) => Some(cause.to_string()),
        _ => None,
    }
}

fn id(message: &Message) -> String {
    message.message_id().map(|id| id.to_string()).unwrap_or_default()
}

fn has_expired(message: &Message, now: i64) -> bool {
    message.expiration() > 0 && message.expiration() < now
}

/// The sentence, and what would move the message.
fn finish(answer: &mut ExplainAnswer, insight: Option<&QueueInsight>, wish: &Wish, now: i64) {
    let queue = &answer.queue;
    let broker = &answer.broker.name;
    let nobody = answer.considered.is_empty();
    let consumer = format!(
        "a consumer of {queue} at {broker}, or a network connector to a broker that has one"
    );
    answer.summary = match (&answer.message, insight) {
        (_, None) => {
            format!("there is no {queue} at {broker}: nothing was sent to it, nobody consumes")
        }
        (Some(message), Some(_)) if message.place == MessagePlace::InFlight => {
            "the message is with a consumer, which has not acknowledged it".to_owned()
        }
        (Some(message), Some(_)) if message.place == MessagePlace::Probe => {
            "what a message without properties would meet here".to_owned()
        }
        (Some(message), Some(_)) if message.expires_unix_ms.is_some_and(|at| at < now) => format!(
            "the message expired {} ago: the next look through the queue, within half a minute, \
             takes it to the dead letters",
            ago(now, message.expires_unix_ms.unwrap_or(now))
        ),
        (Some(_), Some(_)) if nobody => {
            "the message waits: there is no consumer here, and no link to anywhere".to_owned()
        }
        (Some(_), Some(_)) => "the message waits: none of these can take it now".to_owned(),
        (None, Some(QueueInsight { sought: Some(Sought::NotFound { searched_all }), .. })) => {
            let (id, _) = wish.message.as_ref().map_or(("", ()), |(id, _)| (id.as_str(), ()));
            let so_far = if *searched_all { "" } else { ", as far as it was searched" };
            format!(
                "{id} is not in {queue}{so_far}: it was acknowledged, expired or went to the dead \
                 letters, or it was never here"
            )
        }
        (None, Some(_)) => "nothing waits, and nothing is on its way".to_owned(),
    };
    if answer.full {
        answer.summary.push_str("; producers wait, because the queue or the broker is full");
    }
    let Some(message) = &answer.message else { return };
    if message.expires_unix_ms.is_some_and(|at| at < now) {
        return;
    }
    for considered in &answer.considered {
        if let Some(remedy) = &considered.would_move_it
            && !answer.would_move_it.contains(remedy)
        {
            answer.would_move_it.push(remedy.clone());
        }
    }
    if message.place == MessagePlace::Waiting
        && !answer.considered.iter().any(|one| one.kind == "consumer")
    {
        answer.would_move_it.push(consumer);
    }
}
