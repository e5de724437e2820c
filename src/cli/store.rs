//! `ferrymq store`: looks at a journal that no broker has open, and packs it.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use ferrymq_store::journal::Options;
use ferrymq_store::journal::inspect::{self, Stats};
use ferrymq_store::volume::Directory;
use serde_json::json;

use super::columns::Columns;
use super::exit::ExitCode;
use super::output::{complain, say};
use super::quantities::bytes;

/// How many queues are listed for people.
const MOST_QUEUES: usize = 100;

/// Arguments of `store`.
#[derive(Debug, Args)]
pub(super) struct StoreArguments {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Check every byte that the journal relies on, and name what is damaged.
    Verify(DirectoryArguments),
    /// Show what the journal keeps, and which queues keep its oldest files.
    Stats(DirectoryArguments),
    /// Move what is kept together, and give the rest of the disk back.
    Compact(DirectoryArguments),
}

#[derive(Debug, Args)]
struct DirectoryArguments {
    /// The broker's data directory; the broker must not be running
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Runs one of its commands.
pub(super) fn run(arguments: StoreArguments) -> ExitCode {
    let done = match &arguments.command {
        StoreCommand::Verify(arguments) => verify(arguments),
        StoreCommand::Stats(arguments) => stats(arguments),
        StoreCommand::Compact(arguments) => compact(arguments),
    };
    done.unwrap_or_else(|error| {
        complain(error);
        ExitCode::Failed
    })
}

type Done = Result<ExitCode, Box<dyn std::error::Error>>;

fn open(path: &Path) -> Result<Directory, Box<dyn std::error::Error>> {
    if !inspect::is_in(path) {
        return Err(format!("there is no journal in {}", path.display()).into());
    }
    Ok(Directory::take_existing(path)?)
}

fn verify(arguments: &DirectoryArguments) -> Done {
    let verified = inspect::verify(&open(&arguments.directory)?)?;
    let sound = verified.is_sound();
    if arguments.json {
        let findings = verified.findings.iter();
        let findings = findings.map(|finding| {
            json!({ "file": finding.file, "offset": finding.offset, "what": finding.what })
        });
        say(json!({
            "sound": sound,
            "segments": verified.segments,
            "groups": verified.groups,
            "messages": verified.messages,
            "findings": findings.collect::<Vec<_>>(),
        }));
    } else {
        verified.findings.iter().for_each(|finding| say(&finding.what));
        verified.torn.iter().for_each(say_torn);
        let verdict = if sound { "sound" } else { "damaged" };
        say(format_args!(
            "{}: {verdict} ({} segments, {} groups, {} messages kept)",
            arguments.directory.display(),
            verified.segments,
            verified.groups,
            verified.messages
        ));
    }
    Ok(if sound { ExitCode::Done } else { ExitCode::Failed })
}

fn say_torn(torn: &ferrymq_store::journal::TornTail) {
    say(format_args!(
        "{}: unfinished from offset {}; it was never confirmed to anybody, and will be forgotten",
        torn.file, torn.offset
    ));
}

fn stats(arguments: &DirectoryArguments) -> Done {
    let stats = inspect::stats(&open(&arguments.directory)?)?;
    if arguments.json {
        say(as_json(&stats));
        return Ok(ExitCode::Done);
    }
    say(format_args!(
        "{} segments, {} in all, for {} that are kept; {} spare files",
        stats.segments,
        bytes(stats.segment_bytes),
        bytes(stats.kept_bytes),
        stats.spares
    ));
    stats.torn.iter().for_each(say_torn);
    let headings = ["QUEUE", "#MESSAGES", "#BYTES", "#FIRST", "#OLDEST SEGMENT", "#SEGMENTS"];
    let mut table = Columns::new(&headings);
    for queue in &stats.queues {
        let state = &queue.state;
        let name = queue.name.clone();
        table.row(vec![
            name.unwrap_or_else(|| format!("number {}", state.queue.0)),
            state.messages.to_string(),
            bytes(state.bytes),
            number(state.first),
            queue.oldest_segment.to_string(),
            queue.segments.to_string(),
        ]);
    }
    if !stats.queues.is_empty() {
        table.lines(MOST_QUEUES).iter().for_each(say);
    }
    let mut table = Columns::new(&["TABLE", "#ENTRIES", "#BYTES"]);
    for entries in &stats.tables {
        table.row(vec![
            format!("{:?}", entries.table).to_lowercase(),
            entries.entries.to_string(),
            bytes(entries.bytes),
        ]);
    }
    if !stats.tables.is_empty() {
        table.lines(usize::MAX).iter().for_each(say);
    }
    Ok(ExitCode::Done)
}

fn number(number: Option<impl Display>) -> String {
    number.map_or_else(String::new, |number| number.to_string())
}

fn as_json(stats: &Stats) -> serde_json::Value {
    let queues = stats.queues.iter().map(|queue| {
        json!({
            "queue": queue.state.queue.0,
            "name": queue.name,
            "messages": queue.state.messages,
            "bytes": queue.state.bytes,
            "first": queue.state.first,
            "last": queue.state.last,
            "oldest_segment": queue.oldest_segment,
            "segments": queue.segments,
        })
    });
    let tables = stats.tables.iter().map(|entries| {
        json!({
            "table": format!("{:?}", entries.table).to_lowercase(),
            "entries": entries.entries,
            "bytes": entries.bytes,
        })
    });
    json!({
        "segments": stats.segments,
        "segment_bytes": stats.segment_bytes,
        "spares": stats.spares,
        "kept_bytes": stats.kept_bytes,
        "last_sequence": stats.last_sequence,
        "queues": queues.collect::<Vec<_>>(),
        "tables": tables.collect::<Vec<_>>(),
    })
}

fn compact(arguments: &DirectoryArguments) -> Done {
    let directory = Arc::new(open(&arguments.directory)?);
    // The journal is there, so nothing is marked with this number.
    let packed = inspect::compact(directory, &Options::new(0))?;
    if arguments.json {
        say(json!({ "bytes_before": packed.before, "bytes_after": packed.after }));
    } else {
        let path = arguments.directory.display();
        say(format_args!("{path}: {} before, {} now", bytes(packed.before), bytes(packed.after)));
    }
    Ok(ExitCode::Done)
}
