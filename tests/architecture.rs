//! The shape of the project: which floor may stand on which, how large a file may grow, what a
//! face may hold, and which words name nothing.
//!
//! ARCHITECTURE.md draws the floors; this is what makes the drawing true.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(unreachable_pub)]

#[path = "architecture/code.rs"]
mod code;
#[path = "architecture/imports.rs"]
mod imports;
#[path = "architecture/tree.rs"]
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use imports::{Crate, ModulePath};
use tree::{files, rust_files};

/// No file is longer than this, tests included.
const LINES: usize = 600;

/// Words that say nothing about what they name.
const EMPTY_WORDS: &[&str] =
    &["manager", "helper", "helpers", "util", "utils", "base", "context", "impl"];

/// A crate: where it lives, which crates of ours it may use, and its floors from the top down.
struct House {
    folder: &'static str,
    stands_on: &'static [&'static str],
    /// Modules that stand on one floor are separated by blanks. A module may name only modules on
    /// lower floors.
    floors: &'static [&'static str],
    /// Modules that are one recursive definition, and may name each other on their floor.
    knot: &'static str,
}

const HOUSES: &[House] = &[
    House {
        folder: "crates/openwire",
        stands_on: &[],
        floors: &[
            "describe negotiate body",
            "frame_limit",
            // A command holds messages, a message may hold a command, and how they are encoded
            // follows from what they are.
            "command commands message codec structure destination ids properties",
            "error throwable",
            "format text",
        ],
        knot: "command commands message codec structure destination ids properties",
    },
    House {
        folder: "crates/transport",
        stands_on: &["openwire"],
        floors: &[
            "handshake simulated tcp",
            "dial",
            "settings uri",
            "endpoint pipe",
            "link options",
            "backoff clock names outbox pace",
            "traffic",
        ],
        knot: "",
    },
    House {
        folder: "crates/discovery",
        stands_on: &["transport"],
        floors: &[
            "agent announce",
            "dns file http multicast",
            "list",
            "error found running",
            "allowance known own registry",
        ],
        knot: "",
    },
    House {
        folder: "crates/client",
        stands_on: &["openwire", "transport", "discovery"],
        floors: &[
            "requester",
            "consumer",
            "delivery producer",
            "session temporary",
            "connection",
            "driver",
            "core",
            "ack_mode machine",
            "receiving",
            "address options requests uplink",
            "error ids message received send_window",
            "failover",
        ],
        knot: "",
    },
    House {
        folder: "crates/store",
        stands_on: &[],
        floors: &["journal memory", "contract volume"],
        knot: "",
    },
    House {
        folder: "network",
        stands_on: &["openwire", "transport", "discovery"],
        floors: &[
            "connector topology",
            "bridge document",
            "duplex network_properties",
            "config local_broker",
            "demand",
            "rules",
            "broker_path composite destination_pattern discovery",
        ],
        knot: "",
    },
    House {
        folder: "",
        stands_on: &["openwire", "transport", "discovery", "client", "network", "store"],
        floors: &[
            "cli",
            "admin",
            "node",
            "connection",
            "routing",
            "config destination",
            "selector transaction",
        ],
        knot: "",
    },
];

/// What floors of the broker may name of other crates, beside OpenWire itself: only `node` and
/// `cli` know bridges and topologies, and nothing below `connection` knows links.
const RESTRICTED: &[(&str, &[&str])] = &[
    // It shows what the node shows, and asks nobody else.
    (
        "admin",
        &[
            "ferrymq_discovery::registry",
            "ferrymq_network::BrokerIdentity",
            "ferrymq_network::connector",
            "ferrymq_network::rules::verdict",
        ],
    ),
    (
        "connection",
        &[
            "ferrymq_network::BrokerIdentity",
            "ferrymq_network::duplex",
            "ferrymq_network::local_broker",
            "ferrymq_network::rules",
            "ferrymq_store::contract",
            "ferrymq_transport::dial",
            "ferrymq_transport::endpoint",
            "ferrymq_transport::handshake",
            "ferrymq_transport::link",
            "ferrymq_transport::outbox",
            "ferrymq_transport::pace",
            "ferrymq_transport::pipe",
            "ferrymq_transport::settings",
        ],
    ),
    (
        "routing",
        &[
            "ferrymq_network::BrokerIdentity",
            "ferrymq_network::composite",
            "ferrymq_network::destination_pattern",
            "ferrymq_network::rules",
            "ferrymq_store::contract",
            "ferrymq_transport::clock",
            "ferrymq_transport::outbox",
        ],
    ),
    ("destination", &["ferrymq_network::rules", "ferrymq_transport::clock::WallOffset"]),
    ("selector", &[]),
    ("transaction", &[]),
    (
        "config",
        &[
            "ferrymq_discovery::announce",
            "ferrymq_discovery::own",
            "ferrymq_network::config",
            "ferrymq_network::destination_pattern",
            "ferrymq_network::document",
            "ferrymq_network::section",
            "ferrymq_transport::endpoint",
        ],
    ),
];

fn fail_with(rule: &str, mut offences: Vec<String>) {
    offences.sort();
    offences.dedup();
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

impl House {
    /// Whether two modules belong to one recursive definition.
    fn ties(&self, one: &str, other: &str) -> bool {
        stands_on_floor(self.knot, one) && stands_on_floor(self.knot, other)
    }
}

fn stands_on_floor(floor: &str, module: &str) -> bool {
    floor.split(' ').any(|name| name == module)
}

fn source_folder(house: &House) -> String {
    if house.folder.is_empty() { "src".to_owned() } else { format!("{}/src", house.folder) }
}

#[test]
fn crates_depend_only_on_lower_crates() {
    let mut offences = Vec::new();
    for house in HOUSES {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let manifest = root.join(house.folder).join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).expect("a readable manifest");
        let parsed: toml::Table = text.parse().expect("a valid manifest");
        let dependencies = parsed.get("dependencies").and_then(toml::Value::as_table);
        for name in dependencies.into_iter().flat_map(toml::Table::keys) {
            let Some(own) = name.strip_prefix("ferrymq-") else { continue };
            if !house.stands_on.contains(&own) {
                offences.push(format!("{} depends on {name}", manifest.display()));
            }
        }
    }
    fail_with("a crate may depend only on crates below it", offences);
}

#[test]
fn modules_name_only_modules_on_lower_floors() {
    let mut offences = Vec::new();
    for house in HOUSES {
        let source = Crate::read(&source_folder(house));
        let level =
            |module: &str| house.floors.iter().position(|floor| stands_on_floor(floor, module));
        for (path, module) in &source.modules {
            let Some(own) = path.first() else { continue };
            let Some(own_level) = level(own) else {
                offences.push(format!("{}: {own} stands on no floor yet", module.file));
                continue;
            };
            for named in &module.named {
                let Some(other) = source.home(named).first() else { continue };
                let below = level(other).is_some_and(|other_level| other_level > own_level);
                if other != own && !below && !house.ties(own, other) {
                    offences.push(format!("{} names {}", module.file, named.join("::")));
                }
            }
        }
    }
    fail_with("a module may name only modules on lower floors (HOUSES)", offences);
}

#[test]
fn low_floors_of_the_broker_know_little_of_other_crates() {
    let source = Crate::read("src");
    let mut offences = Vec::new();
    for (path, module) in &source.modules {
        let own = path.first().map(String::as_str);
        let Some((_, allowed)) = RESTRICTED.iter().find(|(name, _)| Some(*name) == own) else {
            continue;
        };
        for foreign in &module.foreign {
            let named = foreign.join("::");
            let inside = |prefix: &&str| {
                named
                    .strip_prefix(*prefix)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            };
            if !named.starts_with("ferrymq_openwire") && !allowed.iter().any(inside) {
                offences.push(format!("{} names {named}", module.file));
            }
        }
    }
    fail_with("this floor may not name that of other crates (RESTRICTED)", offences);
}

#[test]
fn modules_do_not_name_each_other_in_a_circle() {
    let mut offences = Vec::new();
    for house in HOUSES {
        let source = Crate::read(&source_folder(house));
        // For each folder: which of its members names which other.
        let mut folders: BTreeMap<ModulePath, Names> = BTreeMap::new();
        for (path, module) in &source.modules {
            for named in &module.named {
                let home = source.home(named);
                let shared = path.iter().zip(home).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (path.get(shared), home.get(shared)) {
                    if shared == 0 && house.ties(from, to) {
                        continue;
                    }
                    let members = folders.entry(path[..shared].to_vec()).or_default();
                    members.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        for (folder, names) in &folders {
            let place = [source_folder(house), folder.join("/")].join("/");
            offences.extend(circles(names).map(|circle| format!("{place}: {}", circle.join(", "))));
        }
    }
    fail_with("these name each other in a circle", offences);
}

/// Which member of a folder names which others.
type Names = BTreeMap<String, BTreeSet<String>>;

/// The groups whose members all lead to each other.
fn circles(names: &Names) -> impl Iterator<Item = Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        names.keys().map(|start| (start.as_str(), reachable(names, start))).collect();
    let leads = move |from: &str, to: &str| reached.get(from).is_some_and(|r| r.contains(to));
    let group = move |start: &'_ String| {
        let group: Vec<&str> = names
            .keys()
            .map(String::as_str)
            .filter(|other| leads(start, other) && leads(other, start))
            .collect();
        // Each group once, under its first member.
        (group.first() == Some(&start.as_str())).then_some(group)
    };
    names.keys().filter_map(group)
}

fn reachable<'a>(names: &'a Names, start: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&String> = names.get(start).into_iter().flatten().collect();
    while let Some(next) = open.pop() {
        if reached.insert(next.as_str()) {
            open.extend(names.get(next).into_iter().flatten());
        }
    }
    reached
}

#[test]
fn nothing_is_imported_through_the_face_of_the_own_folder() {
    let mut offences = Vec::new();
    for house in HOUSES {
        let source = Crate::read(&source_folder(house));
        for (path, module) in &source.modules {
            for named in &module.named {
                let home = source.home(named);
                let is_own_folder = home.len() < path.len() && path.starts_with(home);
                let is_item =
                    named.get(home.len()).is_some_and(|item| !source.macros.contains(item));
                if is_own_folder && is_item && source.modules.get(home).is_some_and(is_face) {
                    offences.push(format!("{} names {}", module.file, named.join("::")));
                }
            }
        }
    }
    fail_with("import this from the file that defines it, not from the face above", offences);
}

fn is_face(module: &imports::Module) -> bool {
    module.file.ends_with("mod.rs") || module.file.ends_with("lib.rs")
}

#[test]
fn faces_hold_only_documentation_modules_and_reexports() {
    let mut offences = Vec::new();
    for file in rust_files("").iter().filter(|file| matches!(file.stem(), "mod" | "lib")) {
        let code = code::without_comments(&file.text);
        for item in items(&code::tokens(&code)) {
            let words: Vec<&str> = item.iter().map(String::as_str).collect();
            let allowed = match words.as_slice() {
                ["mod", _] | ["pub", "mod", _] | ["pub", "use", ..] => true,
                ["pub", "(", _, ")", rest @ ..] => matches!(rest, ["mod", _] | ["use", ..]),
                _ => false,
            };
            if !allowed {
                offences.push(format!("{}: {}", file.path.display(), words.join(" ")));
            }
        }
    }
    fail_with("a mod.rs or lib.rs holds only docs, attributes, mod and pub use", offences);
}

/// The items of a file, each without its attributes and its semicolon.
fn items(tokens: &[String]) -> Vec<Vec<String>> {
    let mut items = Vec::new();
    let mut item = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "#" => {
                let mut depth = 0;
                while at < tokens.len() {
                    depth += i32::from(tokens[at] == "[") - i32::from(tokens[at] == "]");
                    if tokens[at] == "]" && depth == 0 {
                        break;
                    }
                    at += 1;
                }
            }
            ";" => items.push(std::mem::take(&mut item)),
            token => item.push(token.to_owned()),
        }
        at += 1;
    }
    if !item.is_empty() {
        items.push(item);
    }
    items
}

#[test]
fn no_file_is_long() {
    let long = |file: &tree::SourceFile| {
        let lines = file.text.lines().count();
        (lines > LINES).then(|| format!("{}: {lines} lines", file.path.display()))
    };
    fail_with("split these files", rust_files("").iter().filter_map(long).collect());
}

#[test]
fn names_say_something() {
    let mut offences = Vec::new();
    for file in rust_files("") {
        for part in file.path.with_extension("").components() {
            let part = part.as_os_str().to_string_lossy();
            if part.split('_').any(is_empty_word) {
                offences.push(format!("{}: its name", file.path.display()));
            }
        }
        let tokens = code::tokens(&code::without_comments(&file.text));
        for pair in tokens.windows(2) {
            let defines = matches!(pair[0].as_str(), "struct" | "enum" | "trait" | "type");
            if defines && words(&pair[1]).iter().any(|word| is_empty_word(word)) {
                offences.push(format!("{}: {} {}", file.path.display(), pair[0], pair[1]));
            }
        }
    }
    fail_with("these names say nothing; use the words of ARCHITECTURE.md", offences);
}

fn is_empty_word(word: &str) -> bool {
    EMPTY_WORDS.contains(&word.to_lowercase().as_str())
}

/// "DemandTable" is "Demand" and "Table".
fn words(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if !c.is_uppercase() => word.push(c),
            _ => words.push(c.to_string()),
        }
    }
    words
}

#[test]
fn nothing_refers_to_a_place_on_some_machine() {
    let roots = ["home", "root", "work", "tmp", "Users"];
    let mut offences = Vec::new();
    for file in files("") {
        for (number, line) in file.text.lines().enumerate() {
            for root in roots {
                let place = format!("/{root}/");
                let starts_path = |at: usize| {
                    let before = line[..at].chars().next_back();
                    !before.is_some_and(|c| c.is_alphanumeric() || "._-/}*~".contains(c))
                };
                if line.match_indices(&place).any(|(at, _)| starts_path(at)) {
                    offences.push(format!("{}:{}: {place}", file.path.display(), number + 1));
                }
            }
        }
    }
    fail_with("the project must stand alone", offences);
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut offences = Vec::new();
    for file in files("").iter().filter(|file| file.has_extension("md")) {
        let folder = root.join(&file.path);
        let folder = folder.parent().expect("a file is in a folder");
        for link in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://");
            if !elsewhere && !folder.join(path).exists() {
                offences.push(format!("{}: {path}", file.path.display()));
            }
        }
    }
    fail_with("nothing is there", offences);
}
