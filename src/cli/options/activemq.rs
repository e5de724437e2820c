//! What ActiveMQ calls each setting, what it has there when nobody says, and why FerryMQ differs.
//!
//! Names and defaults are those of ActiveMQ's code (5.17), which its documentation sometimes
//! contradicts.

/// A setting of ActiveMQ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counterpart {
    /// The table of our configuration that the setting belongs to.
    pub(super) table: &'static str,
    /// Our key: implemented, or refused by name.
    pub(super) key: &'static str,
    /// ActiveMQ's name.
    pub(super) name: &'static str,
    /// ActiveMQ's default; empty where there is none.
    pub(super) default: &'static str,
    /// Why ours is another one; empty where it is the same.
    pub(super) why: &'static str,
}

const fn of(
    table: &'static str,
    key: &'static str,
    name: &'static str,
    default: &'static str,
    why: &'static str,
) -> Counterpart {
    Counterpart { table, key, name, default, why }
}

const CONNECTOR: &str = "network_connector";
const HOPS: &str = "a limit of 1 strands messages two bridges from their consumers; loops end by the \
                    path that each message and each demand carries";
const SYNC: &str = "without it, what a durable subscriber ended during an outage is kept for ever, and \
                    what it began is not known until it comes back";
const ONE_WAY: &str = "packed bytes differ from peer to peer; the same bytes for all are forwarded \
                       without being taken apart";

/// The settings of ActiveMQ that ours stand for.
pub(super) const COUNTERPARTS: &[Counterpart] = &[
    of("broker", "name", "brokerName", "localhost", "two brokers of one name are a mistake"),
    of(
        "broker",
        "persistent",
        "persistent",
        "true",
        "messages are kept where a folder was named for them",
    ),
    of("broker", "data_dir", "dataDirectory", "activemq-data", ""),
    of("broker", "data_directory", "dataDirectory", "activemq-data", ""),
    of("transport_connector", "name", "name", "the address", ""),
    of("transport_connector", "uri", "uri", "", ""),
    of("transport_connector", "discovery_uri", "discoveryUri", "", ""),
    of("transport_connector", "update_cluster_clients", "updateClusterClients", "false", ""),
    of("transport_connector", "rebalance_cluster_clients", "rebalanceClusterClients", "false", ""),
    of(
        "transport_connector",
        "update_cluster_clients_on_remove",
        "updateClusterClientsOnRemove",
        "false",
        "",
    ),
    of("transport_connector", "update_cluster_filter", "updateClusterFilter", "", ""),
    of(CONNECTOR, "name", "name", "NC", "it is shown to people, and `network` says more"),
    of(CONNECTOR, "uri", "uri", "", ""),
    of(CONNECTOR, "broker_name", "brokerName", "that of the broker", ""),
    of(CONNECTOR, "broker_url", "brokerURL", "that of the broker", ""),
    of(CONNECTOR, "local_uri", "localUri", "vm://NAME", ""),
    of(CONNECTOR, "auto_start", "autoStart", "true", ""),
    of(CONNECTOR, "user_name", "userName", "", ""),
    of(CONNECTOR, "password", "password", "", ""),
    of(CONNECTOR, "remote_user_name", "remoteUserName", "", ""),
    of(CONNECTOR, "remote_password", "remotePassword", "", ""),
    of(CONNECTOR, "client_id_token", "clientIdToken", "_", ""),
    of(CONNECTOR, "duplex", "duplex", "false", ""),
    of(CONNECTOR, "conduit_subscriptions", "conduitSubscriptions", "true", ""),
    of(
        CONNECTOR,
        "conduit_network_queue_subscriptions",
        "conduitNetworkQueueSubscriptions",
        "false",
        "",
    ),
    of(CONNECTOR, "dynamic_only", "dynamicOnly", "false", ""),
    of(CONNECTOR, "static_bridge", "staticBridge", "false", ""),
    of(CONNECTOR, "dynamically_included", "dynamicallyIncludedDestinations", "[]", ""),
    of(CONNECTOR, "statically_included", "staticallyIncludedDestinations", "[]", ""),
    of(CONNECTOR, "excluded", "excludedDestinations", "[]", ""),
    of(
        CONNECTOR,
        "durable_destinations",
        "durableDestinations",
        "all topics in the store",
        "an empty list is all topics",
    ),
    of(CONNECTOR, "destination_filter", "destinationFilter", "computed", ""),
    of(CONNECTOR, "use_virtual_dest_subs", "useVirtualDestSubs", "false", ""),
    of(CONNECTOR, "bridge_temp_destinations", "bridgeTempDestinations", "true", ""),
    of(
        CONNECTOR,
        "decrease_network_consumer_priority",
        "decreaseNetworkConsumerPriority",
        "true",
        "",
    ),
    of(CONNECTOR, "consumer_priority_base", "consumerPriorityBase", "-5", ""),
    of(CONNECTOR, "network_ttl", "networkTTL", "1", HOPS),
    of(CONNECTOR, "message_ttl", "messageTTL", "1", HOPS),
    of(CONNECTOR, "consumer_ttl", "consumerTTL", "1", HOPS),
    of(
        CONNECTOR,
        "suppress_duplicate_queue_subscriptions",
        "suppressDuplicateQueueSubscriptions",
        "false",
        "",
    ),
    of(
        CONNECTOR,
        "suppress_duplicate_topic_subscriptions",
        "suppressDuplicateTopicSubscriptions",
        "true",
        "",
    ),
    of(CONNECTOR, "prefetch_size", "prefetchSize", "1000", ""),
    of(CONNECTOR, "advisory_prefetch_size", "advisoryPrefetchSize", "0 (as prefetchSize)", ""),
    of(CONNECTOR, "advisory_ack_percentage", "advisoryAckPercentage", "75", ""),
    of(CONNECTOR, "dispatch_async", "dispatchAsync", "true", ""),
    of(CONNECTOR, "always_sync_send", "alwaysSyncSend", "true", ""),
    of(CONNECTOR, "use_compression", "useCompression", "false", ""),
    of(CONNECTOR, "sync_durable_subs", "syncDurableSubs", "false", SYNC),
    of(CONNECTOR, "advisory_for_failed_forward", "advisoryForFailedForward", "false", ""),
    of(
        CONNECTOR,
        "check_duplicate_messages_on_duplex",
        "checkDuplicateMessagesOnDuplex",
        "false",
        "",
    ),
    of(CONNECTOR, "use_broker_names_as_id_seed", "useBrokerNamesAsIdSeed", "true", ""),
    of(CONNECTOR, "use_broker_name_as_id_sees", "useBrokerNameAsIdSees", "true", ""),
    of(CONNECTOR, "gc_destination_views", "gcDestinationViews", "true", ""),
    of(CONNECTOR, "gc_sweep_time", "gcSweepTime", "60000", ""),
    of(CONNECTOR, "bridge_factory", "bridgeFactory", "built in", ""),
    of(CONNECTOR, "ssl_context", "sslContext", "that of the broker", ""),
    of(CONNECTOR, "connection_filter", "connectionFilter", "all but own addresses", ""),
    of("destination_policy", "match", "queue, topic", "", ""),
    of("destination_policy", "memory_limit", "memoryLimit", "as much as the broker may", ""),
    of("destination_policy", "store_limit", "", "as much as there is room for", "FerryMQ's own"),
    of(
        "destination_policy",
        "send_fail_if_no_space",
        "sendFailIfNoSpace",
        "as `systemUsage` says",
        "",
    ),
    of(
        "destination_policy",
        "send_fail_if_no_space_after_timeout",
        "sendFailIfNoSpaceAfterTimeout",
        "as `systemUsage` says",
        "",
    ),
    of("destination_policy", "enable_audit", "enableAudit", "true", ""),
    of("destination_policy", "max_queue_audit_depth", "maxQueueAuditDepth", "10000", ""),
    of("destination_policy", "max_audit_depth", "maxAuditDepth", "10000", ""),
    of(
        "destination_policy",
        "max_producers_to_audit",
        "maxProducersToAudit",
        "64",
        "many clients make a producer for each message, and each takes only the room that it needs",
    ),
    of("transport_connector", "audit_network_producers", "auditNetworkProducers", "false", ""),
    of("destination_policy", "replay", "networkBridgeFilterFactory", "", ""),
    of(
        "replay",
        "replay_when_no_consumers",
        "replayWhenNoConsumers",
        "false",
        "without it a message strands where its last consumer has left",
    ),
    of("replay", "replay_delay", "replayDelay", "0s", ""),
    of("replay", "rate_limit", "rateLimit", "0", ""),
    of("replay", "rate_duration", "rateDuration", "1s", ""),
    of(
        "replay",
        "selector_aware",
        "selectorAware",
        "false",
        "a message strands that no selector of a consumer here matches",
    ),
    of(
        "system_usage",
        "memory_limit",
        "memoryUsage",
        "1 GiB",
        "half of it holds as many messages where they are not Java objects",
    ),
    of("system_usage", "store_limit", "storeUsage", "100GiB", ""),
    of("system_usage", "temp_limit", "tempUsage", "50GiB", ""),
    of("system_usage", "send_fail_if_no_space", "sendFailIfNoSpace", "false", ""),
    of(
        "system_usage",
        "send_fail_if_no_space_after_timeout",
        "sendFailIfNoSpaceAfterTimeout",
        "0s",
        "",
    ),
    of("uri", "wireFormat.version", "", "12", ""),
    of("uri", "wireFormat.maxInactivityDuration", "", "30000", ""),
    of("uri", "wireFormat.maxInactivityDurationInitalDelay", "", "10000", ""),
    of(
        "uri",
        "wireFormat.maxFrameSize",
        "",
        "9223372036854775807",
        "a peer must not be able to ask for any amount of memory; ActiveMQ's own configuration file \
         sets the same",
    ),
    of("uri", "wireFormat.maxFrameSizeEnabled", "", "true", ""),
    of("uri", "wireFormat.cacheEnabled", "", "true", ONE_WAY),
    of("uri", "wireFormat.cacheSize", "", "1024", ""),
    of("uri", "wireFormat.tightEncodingEnabled", "", "true", ONE_WAY),
    of(
        "uri",
        "wireFormat.stackTraceEnabled",
        "",
        "true",
        "a stack shows the inside of a program to whoever connects",
    ),
    of("uri", "wireFormat.tcpNoDelayEnabled", "", "true", ""),
    of(
        "uri",
        "keepAlive",
        "",
        "false",
        "a peer whose machine is gone is noticed even with the inactivity check off",
    ),
    of("uri", "tcpNoDelay", "", "true", ""),
    of("uri", "socketBufferSize", "", "65536", "a fixed size limits what a long line carries"),
    of("uri", "connectionTimeout", "", "30000", ""),
    of("uri", "maximumConnections", "", "2147483647", ""),
    of(
        "uri",
        "backlog",
        "",
        "5000",
        "Linux cuts it to 4096 unless told otherwise, and 1024 is ample",
    ),
    of("list", "initialReconnectDelay", "", "1000", ""),
    of("list", "maxReconnectDelay", "", "30000", ""),
    of("list", "useExponentialBackOff", "", "true", ""),
    of("list", "backOffMultiplier", "", "2", ""),
    of("list", "maxReconnectAttempts", "", "0", ""),
    of("list", "minConnectTime", "", "5000", ""),
    of("http", "updateInterval", "", "10000", ""),
    of("multicast", "group", "", "default", ""),
    of("multicast", "keepAliveInterval", "", "500", ""),
    of("multicast", "timeToLive", "", "1", ""),
    of("multicast", "loopBackMode", "", "false", ""),
    of(
        "multicast",
        "interface",
        "",
        "none",
        "the system knows by which interface the way leads; ActiveMQ takes the last one that it lists",
    ),
    of("multicast", "networkInterface", "", "none", ""),
    of("multicast", "joinNetworkInterface", "", "none", ""),
    of("failover", "initialReconnectDelay", "", "10", ""),
    of("failover", "maxReconnectDelay", "", "30000", ""),
    of("failover", "reconnectDelay", "", "10", ""),
    of("failover", "useExponentialBackOff", "", "true", ""),
    of("failover", "reconnectDelayExponent", "", "2.0", ""),
    of("failover", "maxReconnectAttempts", "", "-1", ""),
    of("failover", "startupMaxReconnectAttempts", "", "-1", ""),
    of("failover", "warnAfterReconnectAttempts", "", "10", ""),
    of("failover", "randomize", "", "true", ""),
    of("failover", "backup", "", "false", ""),
    of("failover", "backupPoolSize", "", "1", ""),
    of("failover", "priorityBackup", "", "false", ""),
    of("failover", "priorityURIs", "", "", ""),
    of("failover", "timeout", "", "-1", ""),
    of("failover", "trackMessages", "", "false", ""),
    of("failover", "maxCacheSize", "", "131072", ""),
    of("failover", "trackTransactionProducers", "", "true", ""),
    of("failover", "updateURIsSupported", "", "true", ""),
    of("failover", "updateURIsURL", "", "", ""),
    of("failover", "rebalanceUpdateURIs", "", "true", ""),
    of("failover", "reconnectSupported", "", "true", ""),
    of("failover", "nestedExtraQueryOptions", "", "", ""),
];

/// What ActiveMQ has for one of our settings, if it has anything.
pub(super) fn counterpart(table: &str, key: &str) -> Option<&'static Counterpart> {
    COUNTERPARTS.iter().find(|one| one.table == table && one.key == key)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ferrymq_network::config::{unsupported, unsupported_options};
    use ferrymq_network::document::table::Presence;

    use super::*;
    use crate::config::tables;

    /// Every option of ActiveMQ's network connectors.
    const CONNECTOR_OPTIONS: &str = "uri name brokerName brokerURL localUri autoStart userName \
        password remoteUserName remotePassword clientIdToken duplex conduitSubscriptions \
        conduitNetworkQueueSubscriptions dynamicOnly staticBridge dynamicallyIncludedDestinations \
        staticallyIncludedDestinations excludedDestinations durableDestinations destinationFilter \
        useVirtualDestSubs bridgeTempDestinations decreaseNetworkConsumerPriority \
        consumerPriorityBase networkTTL consumerTTL messageTTL suppressDuplicateQueueSubscriptions \
        suppressDuplicateTopicSubscriptions prefetchSize advisoryPrefetchSize \
        advisoryAckPercentage dispatchAsync alwaysSyncSend useCompression syncDurableSubs \
        advisoryForFailedForward checkDuplicateMessagesOnDuplex useBrokerNameAsIdSees \
        useBrokerNamesAsIdSeed gcDestinationViews gcSweepTime bridgeFactory sslContext \
        connectionFilter";

    fn implemented(table: &str) -> BTreeSet<&'static str> {
        let tables = tables();
        let fields = tables.iter().filter(|one| one.name == table).flat_map(|one| &one.fields);
        let fields = fields.filter(|field| !matches!(field.presence, Presence::Refused(_)));
        fields.map(|field| field.key).collect()
    }

    #[test]
    fn every_option_of_activemqs_connectors_works_or_is_refused_with_a_reason() {
        let implemented = implemented(CONNECTOR);
        for name in CONNECTOR_OPTIONS.split_whitespace() {
            let key = COUNTERPARTS.iter().find(|one| one.table == CONNECTOR && one.name == name);
            let key = key.unwrap_or_else(|| panic!("{name} is not in the reference")).key;
            let works = implemented.contains(key);
            assert!(works || unsupported(key).is_some(), "{name}: neither works nor is refused");
            assert!(!works || unsupported(key).is_none(), "{name}: both");
        }
        for (key, _) in unsupported_options() {
            assert!(counterpart(CONNECTOR, key).is_some(), "{key}: what is it in ActiveMQ?");
        }
    }

    #[test]
    fn a_default_of_our_own_has_a_reason() {
        for table in tables() {
            for field in &table.fields {
                let Some(theirs) = counterpart(table.name, field.key) else { continue };
                let ours = field.default.unwrap_or_default().trim_matches('"');
                let differs = field.default.is_some() && ours != theirs.default;
                assert!(
                    !differs || !theirs.why.is_empty() || table.name == "transport_connector",
                    "{} is {ours}, in ActiveMQ {}: say why",
                    field.key,
                    theirs.default
                );
            }
        }
    }
}
