//! The settings of a network connector, which a broker's configuration and a topology's links
//! share.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::config::{NetworkConnectorConfig, Secret, unsupported};
use crate::destination_pattern::DestinationPattern;
use crate::section;

use super::addresses::IncludedDestination;
use super::located::Located;
use super::reader::Reader;

section! {
    /// What a network connector forwards, and how.
    pub struct ConnectorOptions {
        /// Whether the far broker builds a bridge back over the same link, with these settings.
        optional duplex: bool = "false",
        /// How long the far broker may fail to prove that it lives before the link is made anew.
        optional link_timeout: Duration = "\"10s\"",
        /// Whether consumers with the same wish share one subscription, so that a message crosses
        /// once.
        optional conduit_subscriptions: bool = "true",
        /// Whether that goes for consumers of queues that are bridges themselves, too.
        optional conduit_network_queue_subscriptions: bool = "false",
        /// Forward only these on demand; without any, all. With `?forceDurable=true`, what is sent
        /// to a topic while the link is down is kept for whoever consumed from it.
        optional dynamically_included
            ("dynamically_included", "dynamically_included_destinations"): Vec<IncludedDestination>
            = "[]",
        /// Forward these without waiting for demand; `?forceDurable=true` as above.
        optional statically_included
            ("statically_included", "statically_included_destinations"): Vec<IncludedDestination>
            = "[]",
        /// Never forward these, whatever else matches them.
        optional excluded ("excluded", "excluded_destinations"): Vec<DestinationPattern> = "[]",
        /// Whether a bridge asks at its start which durable subscriptions the far broker has, so that
        /// those made and ended meanwhile are known.
        optional sync_durable_subs: bool = "true",
        /// Whether durable demand of earlier bridges waits until somebody asks for it again.
        optional dynamic_only: bool = "false",
        /// Take up durable demand of earlier bridges for these only; without any, for all.
        optional durable_destinations: Vec<DestinationPattern> = "[]",
        /// Whether demand is not listened to, so that only `statically_included` crosses.
        optional static_bridge: bool = "false",
        /// Whether temporary destinations cross, so that replies return.
        optional bridge_temp_destinations: bool = "true",
        /// Sets `message_ttl` and `consumer_ttl`.
        optional network_ttl: i32,
        /// Bridges that a message may pass; -1 is any number.
        optional message_ttl: i32 = "-1",
        /// Bridges that demand may pass; -1 is any number.
        optional consumer_ttl: i32 = "-1",
        /// Messages that may be on their way for one demand.
        optional prefetch_size: NonZeroU32 = "1000",
        /// Advisories that may be on their way; without it, as many as `prefetch_size`.
        optional advisory_prefetch_size: NonZeroU32,
        /// Whether consumers beyond a bridge are served after local ones.
        optional decrease_network_consumer_priority: bool = "true",
        /// The priority of consumers one bridge away, where it is decreased.
        optional consumer_priority_base: i8 = "-5",
        /// Whether the far broker confirms non-persistent messages, too.
        optional always_sync_send: bool = "true",
        /// The name that bridges log in with, at both brokers.
        optional user_name: String,
        /// The password that bridges log in with, at both brokers.
        optional password: String,
        /// The name that bridges log in with at the far broker, where it is another one.
        optional remote_user_name: String,
        /// The password that bridges log in with at the far broker, where it is another one.
        optional remote_password: String,
    }
    refused_by unsupported
}

impl ConnectorOptions {
    /// Sets what is written, and leaves the rest of `config` as it is.
    pub fn apply(&self, config: &mut NetworkConnectorConfig, reader: &mut Reader<'_>) {
        set(&mut config.duplex, &self.duplex);
        if let Some(timeout) = &self.link_timeout
            && timeout.value < NetworkConnectorConfig::SHORTEST_LINK_TIMEOUT
        {
            let shortest = NetworkConnectorConfig::SHORTEST_LINK_TIMEOUT;
            let hint = format!("the shortest is {} ms", shortest.as_millis());
            reader.report(&timeout.span, "so short that busy brokers seem dead", Some(hint));
        }
        set(&mut config.link_timeout, &self.link_timeout);
        set(&mut config.conduit_subscriptions, &self.conduit_subscriptions);
        set(
            &mut config.conduit_network_queue_subscriptions,
            &self.conduit_network_queue_subscriptions,
        );
        let mut forced = Vec::new();
        let lists = [
            (&mut config.dynamically_included, &self.dynamically_included),
            (&mut config.statically_included, &self.statically_included),
        ];
        for (patterns, written) in lists {
            if let Some(written) = written {
                *patterns = written.value.iter().map(|one| one.pattern.clone()).collect();
                let durable = written.value.iter().filter(|one| one.force_durable);
                forced.extend(durable.map(|one| one.pattern.clone()));
            }
        }
        config.force_durable = forced;
        set(&mut config.sync_durable_subs, &self.sync_durable_subs);
        set(&mut config.dynamic_only, &self.dynamic_only);
        set(&mut config.durable_destinations, &self.durable_destinations);
        set(&mut config.excluded, &self.excluded);
        set(&mut config.static_bridge, &self.static_bridge);
        set(&mut config.bridge_temp_destinations, &self.bridge_temp_destinations);
        if let Some(hops) = &self.network_ttl {
            config.set_network_ttl(hops.value);
        }
        set(&mut config.message_ttl, &self.message_ttl);
        set(&mut config.consumer_ttl, &self.consumer_ttl);
        set(&mut config.prefetch_size, &self.prefetch_size);
        if let Some(prefetch) = &self.advisory_prefetch_size {
            config.advisory_prefetch_size = Some(prefetch.value);
        }
        set(
            &mut config.decrease_network_consumer_priority,
            &self.decrease_network_consumer_priority,
        );
        set(&mut config.consumer_priority_base, &self.consumer_priority_base);
        set(&mut config.always_sync_send, &self.always_sync_send);
        self.log_in(config, reader);
    }

    fn log_in(&self, config: &mut NetworkConnectorConfig, reader: &mut Reader<'_>) {
        let pairs = [
            (&self.user_name, &self.password, &mut config.local_credentials),
            (&self.remote_user_name, &self.remote_password, &mut config.remote_credentials),
        ];
        for (name, password, credentials) in pairs {
            if let (None, Some(password)) = (name, password) {
                reader.report(&password.span, "a password without a user name", None);
            }
            credentials.user_name = name.as_ref().map(|name| name.value.clone());
            credentials.password = password.as_ref().map(|text| Secret::new(text.value.clone()));
        }
    }
}

fn set<T: Clone>(setting: &mut T, written: &Option<Located<T>>) {
    if let Some(written) = written {
        *setting = written.value.clone();
    }
}
