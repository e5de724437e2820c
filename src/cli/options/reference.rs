//! The reference as a text.

use std::fmt::{self, Write};

use ferrymq_client::error::FANOUT;
use ferrymq_client::failover::FAILOVER_OPTIONS;
use ferrymq_discovery::error::NOT_SUPPORTED;
use ferrymq_discovery::multicast::{ANNOUNCE_OPTIONS, LISTEN_OPTIONS};
use ferrymq_discovery::{dns, file, http};
use ferrymq_network::config::unsupported_options;
use ferrymq_network::discovery::redial::REDIAL_OPTIONS;
use ferrymq_network::document::table::{Field, Presence};
use ferrymq_transport::options::OptionSpec;
use ferrymq_transport::settings::{CONNECTION_OPTIONS, LISTENER_OPTIONS};

use super::activemq::{Counterpart, counterpart};
use crate::config::{ConfigTable, tables};

const OPENING: &str = "\
# Every setting, with its default

This page is made by `ferrymq options` from the declarations that read the settings; after a change
of one of them write it anew with `UPDATE=1 cargo test --test reference`. *Not set* as a default
means what the last column says. Where ActiveMQ (5.17) has a counterpart, its name and its default
follow, and why FerryMQ's is another one where it is.

An unknown key or option is an error that names the nearest valid one, and so is a known one that
does not work here: nothing is read and ignored.

In a configuration file keys are written in snake_case or in ActiveMQ's camelCase, durations with
their unit (`\"500ms\"`, `\"30s\"`, `\"5m\"`), sizes with theirs (`\"64MiB\"`).
";

const ADDRESSES: &str = "\
## Options of addresses

They stand behind the `?` of an address and keep ActiveMQ's spelling and units: durations in bare
milliseconds, sizes in bytes.
";

const AGENTS: &str = "
### Of what finds brokers

`multicast:`, `dns:`, `file:` and `http:` find brokers that come and go. A network connector bridges to
all of them; a client is connected to one, with `discovery:(multicast://default)`, or with
`failover:(tcp://HOST:PORT,dns:(NAME))` where it has an address to begin with. A client whose broker is
removed by DNS, a file or its own farewell goes to another one in good order, within two seconds; what
is added draws no client away. [examples/client-urls.txt](../examples/client-urls.txt) has an address of
each kind.

| refused | why |
|---|---|
";

const HEADER: &str = "\
| option | value | default | in ActiveMQ | what it does |
|---|---|---|---|---|
";

const REFUSED_HEADER: &str = "\
| refused | default in ActiveMQ | why |
|---|---|---|
";

/// The whole reference, as Markdown.
pub(super) fn reference() -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(&mut text);
    text
}

fn write_all(text: &mut String) -> fmt::Result {
    text.write_str(OPENING)?;
    for table in tables() {
        write_table(&table, text)?;
    }
    writeln!(text, "\n{ADDRESSES}")?;
    let parts = [
        ("Of every TCP address, to dial or to listen on", "uri", CONNECTION_OPTIONS),
        ("Of addresses to listen on, beside those", "uri", LISTENER_OPTIONS),
        ("Of each address of a network connector, about dialling again", "list", REDIAL_OPTIONS),
        (
            "Of a client's list of brokers, `failover:(…)?…` or `discovery:(…)?…`",
            "failover",
            FAILOVER_OPTIONS,
        ),
        ("Of a multicast group, `multicast://default?…`", "multicast", ANNOUNCE_OPTIONS),
        (
            "Of a multicast group that brokers are looked for in, beside those",
            "multicast",
            LISTEN_OPTIONS,
        ),
        ("Of names that a name server knows, `dns:(…)?…`", "dns", dns::OPTIONS),
        ("Of a file that lists brokers, `file:PATH?…`", "file", file::OPTIONS),
        (
            "Of registries, `http://HOST:PORT/PATH/GROUP?…`, several in `http:(…)?…`",
            "http",
            http::OPTIONS,
        ),
    ];
    for (index, (title, table, options)) in parts.into_iter().enumerate() {
        writeln!(text, "{}### {title}\n", if index == 0 { "" } else { "\n" })?;
        text.write_str(HEADER)?;
        for option in options {
            write_option(table, option, text)?;
        }
    }
    write_agents(text)?;
    text.write_str(
        "\nA listener takes the options of its connections with ActiveMQ's prefix `transport.`, too; \
         a list hands those with the prefix `nested.` down to each member, and what finds brokers gives \
         those with the prefix `discovered.` to each address that it finds.\n",
    )
}

/// What `discovery:(…)` of clients and network connectors take, and what they refuse.
fn write_agents(text: &mut String) -> fmt::Result {
    text.write_str(AGENTS)?;
    for (scheme, why) in NOT_SUPPORTED {
        writeln!(text, "| `{scheme}:` | {} |", cell(why))?;
    }
    writeln!(text, "| `fanout:` | {} |", cell(FANOUT))
}

fn write_table(table: &ConfigTable, text: &mut String) -> fmt::Result {
    writeln!(text, "\n## `{}`\n\n{}\n", table.heading, table.about)?;
    text.write_str(HEADER)?;
    let mut refused: Vec<(&str, &str)> = Vec::new();
    for field in &table.fields {
        match field.presence {
            Presence::Refused(reason) => refused.push((field.key, reason)),
            _ => write_field(table.name, field, text)?,
        }
    }
    if table.name == "network_connector" {
        let works = |key: &str| table.fields.iter().any(|field| field.key == key);
        refused.extend(unsupported_options().iter().filter(|(key, _)| !works(key)));
    }
    if refused.is_empty() {
        return Ok(());
    }
    writeln!(text)?;
    text.write_str(REFUSED_HEADER)?;
    for (key, reason) in refused {
        let theirs = counterpart(table.name, key);
        let name = theirs.map_or_else(String::new, |theirs| format!(" (`{}`)", theirs.name));
        let default = theirs.map(|theirs| theirs.default).unwrap_or_default();
        writeln!(text, "| `{key}`{name} | {default} | {} |", cell(reason))?;
    }
    Ok(())
}

fn write_field(table: &str, field: &Field, text: &mut String) -> fmt::Result {
    let default = match (field.presence, field.default) {
        (Presence::Required, _) => "required".to_owned(),
        (_, Some(default)) => format!("`{default}`"),
        (_, None) => "not set".to_owned(),
    };
    let mut names = format!("`{}`", field.key);
    for alias in field.aliases {
        write!(names, ", `{alias}`")?;
    }
    writeln!(
        text,
        "| {names} | {} | {default} | {} | {} |",
        cell(field.expected),
        theirs(counterpart(table, field.key), field.key),
        cell(&field.doc)
    )
}

fn write_option(table: &str, option: &OptionSpec, text: &mut String) -> fmt::Result {
    let default =
        option.default.map_or_else(|| "not set".to_owned(), |default| format!("`{default}`"));
    let theirs = counterpart(table, option.name).map_or_else(
        || "—".to_owned(),
        |theirs| {
            if theirs.why.is_empty() && Some(theirs.default) == option.default {
                "the same".to_owned()
            } else {
                because(theirs)
            }
        },
    );
    writeln!(
        text,
        "| `{}` | {} | {default} | {theirs} | {} |",
        option.name,
        cell(option.expected),
        cell(option.about)
    )
}

/// ActiveMQ's name and default, and why ours is another one.
fn theirs(counterpart: Option<&Counterpart>, key: &str) -> String {
    let Some(counterpart) = counterpart else { return "—".to_owned() };
    let name = if counterpart.name == key {
        String::new()
    } else {
        format!("`{}` ", counterpart.name.replace(", ", "`, `"))
    };
    let rest = because(counterpart);
    match (name.is_empty(), rest.is_empty()) {
        (true, true) => "the same".to_owned(),
        (false, true) => name.trim_end().to_owned(),
        (true, false) => rest,
        (false, false) => format!("{}: {rest}", name.trim_end()),
    }
}

fn because(counterpart: &Counterpart) -> String {
    match (counterpart.default, counterpart.why) {
        ("", _) => String::new(),
        (default, "") => default.to_owned(),
        (default, why) => format!("{default}. Ours differs: {}", cell(why)),
    }
}

/// A text that fits into a cell: on one line, without what would end it.
fn cell(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ").replace('|', "\\|")
}
