//! An explanation as people read it.

use std::time::Duration;

use crate::admin::explain::{
    Considered, ExplainAnswer, GroupAnswer, HeldMessageAnswer, MessagePlace,
};
use crate::cli::columns::Columns;
use crate::cli::plain::{plain, shown};
use crate::cli::quantities::{bytes, duration};

/// The lines for people.
pub(super) fn lines(answer: &ExplainAnswer) -> Vec<String> {
    let mut lines = vec![format!(
        "{} at {}: {} waiting, {} in flight",
        plain(&answer.queue),
        shown(&answer.broker.name),
        answer.waiting,
        answer.in_flight
    )];
    lines.extend(answer.message.iter().map(about));
    lines.push(plain(&answer.summary));
    lines.extend(considered(answer));
    if !answer.would_move_it.is_empty() {
        lines.extend([String::new(), "what would move it".to_owned()]);
        lines.extend(answer.would_move_it.iter().map(|remedy| format!("  - {}", plain(remedy))));
    }
    lines.extend(groups(answer));
    lines
}

fn about(message: &HeldMessageAnswer) -> String {
    let place = match message.place {
        MessagePlace::Waiting if message.expired => "has expired",
        MessagePlace::Waiting => "waits",
        MessagePlace::InFlight => "is in flight",
        MessagePlace::Probe => "is a probe",
    };
    let kept = if message.persistent { "persistent" } else { "not persistent" };
    let mut text = format!(
        "{} {place}, here for {}, {kept}, priority {}, {}",
        plain(&message.id),
        duration(Duration::from_millis(message.here_ms)),
        message.priority,
        bytes(message.size_bytes)
    );
    if message.redeliveries > 0 {
        text.push_str(&format!(", delivered {} times before", message.redeliveries));
    }
    if let Some(cause) = &message.dead_because {
        text.push_str(&format!(", a dead letter because: {}", shown(cause)));
    }
    if !message.path.is_empty() {
        let names = message.path_names.iter().map(Option::as_deref).chain(std::iter::repeat(None));
        let path = message.path.iter().zip(names);
        let path: Vec<String> = path.map(|(id, name)| shown(name.unwrap_or(id))).collect();
        text.push_str(&format!(", came by way of {}", path.join(" and ")));
    }
    text
}

fn considered(answer: &ExplainAnswer) -> Vec<String> {
    if answer.considered.is_empty() {
        return Vec::new();
    }
    let mut table = Columns::new(&["VERDICT", "WHO", "WHY"]);
    for Considered { kind, name, remote, verdict, reason, .. } in &answer.considered {
        let who = match kind.as_str() {
            "link" => format!("link {}", shown(name)),
            _ => format!("{kind} {} ({})", shown(name), shown(remote)),
        };
        table.row(vec![plain(verdict), who, plain(reason)]);
    }
    let mut lines = vec![String::new()];
    lines.extend(table.lines(answer.considered.len()));
    if answer.further_consumers > 0 {
        lines.push(format!("… and {} more", answer.further_consumers));
    }
    lines
}

fn groups(answer: &ExplainAnswer) -> Vec<String> {
    if answer.looked_at < 2 {
        return Vec::new();
    }
    if let [_] = answer.groups.as_slice() {
        return vec![
            String::new(),
            format!("the first {} that wait are in the same position", answer.looked_at),
        ];
    }
    let mut table = Columns::new(&["#MESSAGES", "VERDICTS", "FIRST OF THEM"]);
    for GroupAnswer { messages, first_id, findings } in &answer.groups {
        let verdicts: Vec<String> = findings
            .iter()
            .map(|finding| format!("{}: {}", shown(&finding.name), plain(&finding.verdict)))
            .collect();
        table.row(vec![messages.to_string(), verdicts.join(", "), plain(first_id)]);
    }
    let mut lines =
        vec![String::new(), format!("the first {} that wait, by their verdicts", answer.looked_at)];
    lines.extend(table.lines(answer.groups.len()));
    lines
}
