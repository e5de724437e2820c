//! `ferrymq broker`: one broker in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::admin::{AdminError, AdminServer};
use crate::config::{self, AdminAddress, AdminConfig, AdminListen, BrokerConfig, Flags};
use crate::node::Node;

use super::exit::ExitCode;
use super::files::{self, Kind};
use super::output::{complain, say, show_error};
use super::quantities::bytes;
use super::shutdown::Shutdown;
use super::world::real_world;

/// Arguments of `broker`.
#[derive(Debug, Args)]
pub(super) struct BrokerArguments {
    /// A configuration; flags win over it
    #[arg(value_name = "CONFIG")]
    file: Option<PathBuf>,
    /// The broker's name, unique in its network [default: the host's name]
    #[arg(long)]
    name: Option<String>,
    /// Where to listen, in place of the file's addresses [default: tcp://127.0.0.1:61616]
    #[arg(long, value_name = "URI")]
    listen: Vec<String>,
    /// Brokers to bridge to, beside those of the file: static:(tcp://HOST:PORT,…), multicast://default,
    /// dns:(NAME:PORT), file:PATH, …
    #[arg(long, value_name = "URI")]
    network: Vec<String>,
    /// Keep messages in memory; there is nothing else yet
    #[arg(long)]
    in_memory: bool,
    #[arg(long, hide = true, value_name = "DIR")]
    data: Option<String>,
    /// Where the admin API answers, or `none` [default: 127.0.0.1:8161, if it is free]
    #[arg(long, value_name = "HOST:PORT")]
    admin: Option<String>,
}

/// Runs the broker until it is told to stop.
pub(super) async fn run(arguments: BrokerArguments) -> ExitCode {
    let mut config = match configuration(arguments) {
        Ok(config) => config,
        Err(Refusal::Usage(error)) => {
            complain(error);
            return ExitCode::Usage;
        }
        Err(Refusal::Configuration(text)) => {
            show_error(text);
            return ExitCode::Usage;
        }
    };
    let mut shutdown = match Shutdown::listen() {
        Ok(shutdown) => shutdown,
        Err(error) => {
            complain(format_args!("cannot listen for signals: {error}"));
            return ExitCode::Failed;
        }
    };
    // First of all, so that it can be asked whether the broker is ready yet.
    let admin = match serve_admin(&config.admin).await {
        Ok(admin) => admin,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    config.admin.served = admin.as_ref().map(AdminServer::address);
    let introduction = Introduction::of(&config);
    let node = match Node::start(config, real_world()).await {
        Ok(node) => node,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    if let Some(admin) = &admin {
        admin.ready(node.watch());
    }
    introduction.show(&node, admin.as_ref());
    shutdown.requested().await;
    say("stopping (once more to exit at once)");
    if let Some(admin) = &admin {
        admin.stopping();
    }
    tokio::select! {
        biased;
        () = shutdown.requested() => ExitCode::Failed,
        () = async {
            node.stop().await;
            if let Some(admin) = admin {
                admin.stop().await;
            }
        } => ExitCode::Done,
    }
}

/// Starts the admin API, as far as it is wanted and can be had.
async fn serve_admin(config: &AdminConfig) -> Result<Option<AdminServer>, AdminError> {
    match &config.listen {
        AdminListen::Off => Ok(None),
        AdminListen::At(address) => {
            if !address.is_loopback() {
                tracing::warn!(
                    %address,
                    "the admin API is open to all that reach this address: it asks for no password"
                );
            }
            start_admin(address, config).await.map(Some)
        }
        // Nobody asked for it, so it is no reason not to start.
        AdminListen::Default => match start_admin(&AdminAddress::default(), config).await {
            Ok(admin) => Ok(Some(admin)),
            Err(error) => {
                tracing::warn!(%error, "no admin API");
                Ok(None)
            }
        },
    }
}

async fn start_admin(
    address: &AdminAddress,
    config: &AdminConfig,
) -> Result<AdminServer, AdminError> {
    if config.discovery_registry {
        AdminServer::start_with_registry(address, &config.host_names).await
    } else {
        AdminServer::start(address, &config.host_names).await
    }
}

enum Refusal {
    Usage(String),
    /// Drawn already, with its place.
    Configuration(String),
}

fn configuration(arguments: BrokerArguments) -> Result<BrokerConfig, Refusal> {
    // `--in-memory` asks for what is done anyway.
    let BrokerArguments { file, name, listen, network, in_memory: _, data, admin } = arguments;
    if data.is_some() {
        return Err(Refusal::Usage(
            "--data cannot be used: the message store comes later, and messages are kept in \
             memory until then; leave it out, or write --in-memory"
                .to_owned(),
        ));
    }
    let source = match file {
        None => None,
        Some(path) => {
            let source = files::read(&path).map_err(Refusal::Usage)?;
            files::expect(Kind::Broker, &source, &path).map_err(Refusal::Usage)?;
            Some(source)
        }
    };
    let flags = Flags { name, listen, network, admin };
    config::load(source.as_ref(), &flags)
        .map_err(|problems| Refusal::Configuration(problems.to_string()))
}

/// What is said at the start.
struct Introduction {
    names: Vec<String>,
    remotes: Vec<String>,
    memory: u64,
}

impl Introduction {
    fn of(config: &BrokerConfig) -> Self {
        let remotes = config.network_connectors.iter().flat_map(|connector| {
            let remotes = connector.remotes.shown().into_iter();
            remotes.map(|remote| format!("{remote} ({})", connector.name))
        });
        Self {
            names: config.listen.iter().map(|listen| listen.name.clone()).collect(),
            remotes: remotes.collect(),
            memory: config.limits.memory,
        }
    }

    fn show(&self, node: &Node, admin: Option<&AdminServer>) {
        say(format_args!("FerryMQ {}, broker {}", env!("CARGO_PKG_VERSION"), node.name()));
        for (endpoint, name) in node.listening().iter().zip(&self.names) {
            say(format_args!("listening on  {} ({name})", endpoint.bare()));
        }
        if let Some(admin) = admin {
            say(format_args!("admin API     http://{}", admin.address()));
        }
        for remote in &self.remotes {
            say(format_args!("bridging to   {remote}"));
        }
        let memory = bytes(self.memory);
        say(format_args!("messages      in memory, up to {memory}; they end with the broker"));
        say("ready");
    }
}
