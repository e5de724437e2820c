//! `ferrymq check`: what is wrong with a file, without running it.

use std::path::{Path, PathBuf};

use clap::Args;
use ferrymq_network::document::problem::{Problem, Problems, Severity};
use ferrymq_network::document::source::Source;
use ferrymq_network::topology::check::check;
use ferrymq_network::topology::load::load as load_topology;
use ferrymq_network::topology::render;

use crate::config;

use super::exit::ExitCode;
use super::files::{self, Kind};
use super::output::{complain, say, show_error};

/// Arguments of `check`.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Broker configurations and topologies
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// Checks each file; errors of one do not hide those of the next.
pub(super) fn run(arguments: &CheckArguments) -> ExitCode {
    let mut code = ExitCode::Done;
    for path in &arguments.files {
        if !is_fine(path) {
            code = ExitCode::Usage;
        }
    }
    code
}

fn is_fine(path: &Path) -> bool {
    let source = match files::read(path) {
        Ok(source) => source,
        Err(error) => {
            complain(error);
            return false;
        }
    };
    let checked = match files::kind(&source) {
        Kind::Broker => broker(&source),
        Kind::Topology => topology(&source),
    };
    match checked {
        Ok((summary, findings)) => {
            for finding in &findings {
                show_error(finding);
            }
            let errors = count(&findings, Severity::Error);
            let warnings = count(&findings, Severity::Warning);
            let verdict = match (errors, warnings) {
                (0, 0) => "ok".to_owned(),
                (0, warnings) => format!("ok, {}", counted(warnings, "warning")),
                (errors, 0) => counted(errors, "error"),
                (errors, warnings) => {
                    format!("{}, {}", counted(errors, "error"), counted(warnings, "warning"))
                }
            };
            let line = format!("{}: {verdict} ({summary})", path.display());
            if errors == 0 {
                say(line)
            } else {
                show_error(line)
            }
            errors == 0
        }
        Err(problems) => {
            show_error(&problems);
            show_error(format_args!("{}: {}", path.display(), counted(problems.0.len(), "error")));
            false
        }
    }
}

type Checked = Result<(String, Vec<Problem>), Problems>;

fn broker(source: &Source) -> Checked {
    let (config, findings) = config::load_with_findings(Some(source), &config::Flags::default())?;
    let mut parts = vec![format!("broker {}", config.name)];
    parts.extend(config.listen.iter().map(|listen| format!("listens on {}", listen.endpoint)));
    parts.extend(
        config
            .network_connectors
            .iter()
            .map(|connector| format!("bridges to {}", connector.remotes.shown().join(" and "))),
    );
    Ok((parts.join(", "), findings))
}

fn topology(source: &Source) -> Checked {
    let topology = load_topology(source)?;
    Ok((render::summary(&topology), check(&topology, source)))
}

fn count(findings: &[Problem], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

fn counted(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
