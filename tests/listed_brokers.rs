//! Brokers that a file lists are bridged; whoever rewrites the file is followed, and a mistake in it
//! changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;

use support::{Ferry, PATIENCE, links, until_linked};

#[test]
fn a_list_is_followed_and_a_broken_one_changes_nothing() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path: PathBuf = folder.join(format!("brokers-{}.txt", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let write = |text: &str| {
        // As orchestrators do it: never half of it is to be seen.
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, text).expect("the temporary folder takes a file");
        std::fs::rename(&fresh, &path).expect("a file can be renamed");
    };
    let [b, c] = ["b", "c"].map(|name| Ferry::named(name).start());
    let uri = format!("file:{}?pollInterval=20&initialReconnectDelay=50", path.display());
    let a = Ferry::named("a").network(&uri).admin().start();
    a.process.log_line("the missing file", |line| line.contains("cannot read the list"));
    write(&format!("# the harbour\n{}\n{}\n", b.url(), a.url()));
    until_linked("a", PATIENCE, &["b"], || links(&a.admin()));
    write(&format!("{}\n{}?wireFormat.maxInactivityDuration=5000\n", b.url(), c.url()));
    until_linked("a", PATIENCE, &["b", "c"], || links(&a.admin()));
    write(&format!("{}\ntcp//c\n", b.url()));
    let place = format!("{}:2: ", path.display());
    a.process.log_line("the file and the line", |line| line.contains(&place));
    until_linked("a", PATIENCE, &["b", "c"], || links(&a.admin()));
    std::fs::remove_file(&path).expect("it can be removed");
    write(&format!("{}\n", c.url()));
    until_linked("a", PATIENCE, &["c"], || links(&a.admin()));
}
