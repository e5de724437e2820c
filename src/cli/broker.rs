//! `ferrymq broker`: one broker in the foreground.

use std::path::PathBuf;

use clap::Args;

use crate::admin::{AdminError, AdminServer};
use crate::config::{
    self, AdminAddress, AdminConfig, AdminListen, BrokerConfig, Flags, StoreConfig,
};
use crate::node::{Node, World};

use super::data;
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
    /// Keep all messages in memory, whatever the file says
    #[arg(long, conflicts_with = "data")]
    in_memory: bool,
    /// Keep persistent messages in this folder
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
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
    let world = real_world();
    let store = match config.store.as_ref().map(|store| data::open(store, world.seed)).transpose() {
        Ok(store) => store,
        Err(error) => {
            complain(error);
            return ExitCode::Failed;
        }
    };
    // Once the folder is this process's.
    let spool = config.store.as_ref().map(|store| data::spool(store, world.seed));
    let node = match Node::start(config, World { store: store.clone(), spool, ..world }).await {
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
    let failed = tokio::select! {
        biased;
        () = shutdown.requested() => None,
        failure = node.failed() => Some(failure),
    };
    if let Some(failure) = &failed {
        complain(format_args!("the store has failed, so nothing can be confirmed: {failure}"));
    }
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
        } => match store.map(|store| store.close()) {
            None | Some(Ok(())) if failed.is_none() => ExitCode::Done,
            _ => ExitCode::Failed,
        },
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
    let BrokerArguments { file, name, listen, network, in_memory, data, admin } = arguments;
    let source = match file {
        None => None,
        Some(path) => {
            let source = files::read(&path).map_err(Refusal::Usage)?;
            files::expect(Kind::Broker, &source, &path).map_err(Refusal::Usage)?;
            Some(source)
        }
    };
    let flags = Flags { name, listen, network, admin };
    let (mut config, findings) = config::load_with_findings(source.as_ref(), &flags)
        .map_err(|problems| Refusal::Configuration(problems.to_string()))?;
    for finding in findings {
        show_error(finding);
    }
    if in_memory {
        config.store = None;
    }
    match (data, &mut config.store) {
        (Some(directory), Some(store)) => store.directory = directory,
        (Some(directory), none) => *none = Some(StoreConfig::at(directory)),
        (None, _) => {}
    }
    Ok(config)
}

/// What is said at the start.
struct Introduction {
    names: Vec<String>,
    remotes: Vec<String>,
    memory: u64,
    kept_in: Option<String>,
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
            kept_in: config.store.as_ref().map(|store| store.directory.display().to_string()),
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
        match &self.kept_in {
            None => say(format_args!(
                "messages      in memory, up to {memory}; they end with the broker"
            )),
            Some(directory) => say(format_args!(
                "messages      in memory, up to {memory}; persistent ones are kept in {directory}"
            )),
        }
        say("ready");
    }
}
