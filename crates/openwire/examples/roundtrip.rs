//! Checks recorded frames: decodes each, compares the fields, encodes it again, compares the bytes.
//!
//! ```sh
//! cargo run -p ferrymq-openwire --example roundtrip < crates/openwire/tests/data/golden.jsonl
//! ```
//!
//! Reads lines of that file's form, names each frame that differs and in what, and ends with how
//! many are right. Exits with 1 if any differs.
#![allow(clippy::indexing_slicing, clippy::panic)]

use std::io::{BufRead, Write};
use std::process::ExitCode;

#[path = "../tests/support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "../tests/support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

use recorded::{Recorded, Streams};

fn main() -> std::io::Result<ExitCode> {
    let mut frames = Vec::new();
    let mut differ = 0;
    let mut out = std::io::stdout().lock();
    for (k, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        match Recorded::parse(&line) {
            Ok(frame) => frames.push((k + 1, frame)),
            Err(error) => {
                differ += 1;
                writeln!(out, "line {}: {error}", k + 1)?;
            }
        }
    }

    // Frames of one connection only make sense in the order in which it carried them.
    frames.sort_by(|(_, a), (_, b)| a.stream.cmp(&b.stream));
    let mut streams = Streams::default();
    let mut ok = 0;
    for (line, frame) in &frames {
        match streams.check(frame) {
            Ok(()) => ok += 1,
            Err(difference) => {
                differ += 1;
                writeln!(out, "line {line}: {}: {difference}", frame.title())?;
            }
        }
    }
    writeln!(out, "{ok} ok, {differ} differ")?;
    Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
