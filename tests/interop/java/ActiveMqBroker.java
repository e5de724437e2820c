// A real ActiveMQ Classic broker in one process, in memory unless told otherwise, configured by flags:
//
//   --name NAME             the broker's name
//   --port PORT             0 takes a free one
//   --connect URI           a network connector to that broker (repeatable); then for that connector:
//   --ttl N                 its networkTTL
//   --exclude DEST          an excluded destination, queue://NAME or topic://NAME
//   --include DEST          a dynamically included destination
//   --static DEST           a statically included destination
//   --duplex true           asks the other broker for a bridge back over the same socket
//   --queue-memory-kb N     what each queue may hold in memory before its producers wait
//   --conduit false         one subscription for each remote consumer
//   --suppress-queue true   suppressDuplicateQueueSubscriptions
//   --decrease-priority true  decreaseNetworkConsumerPriority
//   --replay true           replayWhenNoConsumers for all queues (of the broker)
//   --replay-delay MS       the same, and how long a message stays before it goes back
//   --scan-ms MS            how often it looks again at what waits (expireMessagesPeriod)
//   --audit false           enableAudit for all queues (of the broker)
//   --host ADDRESS          where it listens, in place of 127.0.0.1
//   --data DIR              keeps what must outlive it there (KahaDB)
//   --announce URI          the discovery URI of its transport connector
//   --discover URI          a network connector with this URI of a discovery agent
//   --reconnect-ms N        its first and longest pause between two attempts to connect
//
// Prints "ready URI" once it accepts. For each line of input prints "state " and, as JSON, what its
// queues hold and what its dead letters died of. Ends when its standard input ends, so that it cannot
// outlive the test that started it.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

import org.apache.activemq.broker.BrokerService;
import org.apache.activemq.broker.TransportConnector;
import org.apache.activemq.broker.region.Destination;
import org.apache.activemq.broker.region.DestinationStatistics;
import org.apache.activemq.broker.region.Queue;
import org.apache.activemq.broker.region.RegionBroker;
import org.apache.activemq.broker.region.Subscription;
import org.apache.activemq.broker.region.policy.PolicyEntry;
import org.apache.activemq.broker.region.policy.PolicyMap;
import org.apache.activemq.command.ActiveMQDestination;
import org.apache.activemq.command.Message;
import org.apache.activemq.network.ConditionalNetworkBridgeFilterFactory;
import org.apache.activemq.network.DiscoveryNetworkConnector;
import org.apache.activemq.network.NetworkConnector;

import com.fasterxml.jackson.databind.ObjectMapper;

public final class ActiveMqBroker {

    /** A network connector as the flags describe it; the URI is complete only after the last one. */
    private static final class Bridge {
        final String target;
        final DiscoveryNetworkConnector connector = new DiscoveryNetworkConnector();
        long reconnectMillis = 100;

        Bridge(String target, int number) {
            this.target = target;
            connector.setName("bridge" + number);
        }

        DiscoveryNetworkConnector finished() throws Exception {
            connector.setUri(new URI("static:(" + target + ")?initialReconnectDelay=" + reconnectMillis
                + "&maxReconnectDelay=" + reconnectMillis + "&useExponentialBackOff=false"));
            return connector;
        }
    }

    public static void main(String[] argv) throws Exception {
        BrokerService broker = new BrokerService();
        broker.setPersistent(false);
        broker.setUseJmx(false);
        broker.setUseShutdownHook(false);
        int port = 0;
        String host = "127.0.0.1";
        long maxFrame = 104857600;
        String announce = null;
        List<Bridge> bridges = new ArrayList<>();
        for (int i = 0; i + 1 < argv.length; i += 2) {
            String flag = argv[i], value = argv[i + 1];
            Bridge last = bridges.isEmpty() ? null : bridges.get(bridges.size() - 1);
            switch (flag) {
                case "--name": broker.setBrokerName(value); break;
                case "--port": port = Integer.parseInt(value); break;
                case "--host": host = value; break;
                case "--max-frame": maxFrame = Long.parseLong(value); break;
                case "--data": broker.setDataDirectory(value); broker.setPersistent(true); break;
                case "--announce": announce = value; break;
                case "--discover": broker.addNetworkConnector(value).setName("found"); break;
                case "--connect": bridges.add(new Bridge(value, bridges.size())); break;
                case "--ttl": last.connector.setNetworkTTL(Integer.parseInt(value)); break;
                case "--duplex": last.connector.setDuplex(Boolean.parseBoolean(value)); break;
                case "--queue-memory-kb": queues(broker).setMemoryLimit(1024 * Long.parseLong(value)); break;
                case "--send-fail": broker.getSystemUsage().setSendFailIfNoSpace(Boolean.parseBoolean(value)); break;
                case "--exclude": last.connector.addExcludedDestination(destination(value)); break;
                case "--include": last.connector.addDynamicallyIncludedDestination(destination(value)); break;
                case "--static": last.connector.addStaticallyIncludedDestination(destination(value)); break;
                case "--sync": last.connector.setSyncDurableSubs(Boolean.parseBoolean(value)); break;
                case "--replay": replay(broker, Boolean.parseBoolean(value)); break;
                case "--replay-delay": replay(broker, true).setReplayDelay(Integer.parseInt(value)); break;
                case "--scan-ms": queues(broker).setExpireMessagesPeriod(Long.parseLong(value)); break;
                case "--audit": queues(broker).setEnableAudit(Boolean.parseBoolean(value)); break;
                case "--conduit": last.connector.setConduitSubscriptions(Boolean.parseBoolean(value)); break;
                case "--suppress-queue": last.connector.setSuppressDuplicateQueueSubscriptions(Boolean.parseBoolean(value)); break;
                case "--decrease-priority": last.connector.setDecreaseNetworkConsumerPriority(Boolean.parseBoolean(value)); break;
                case "--reconnect-ms": last.reconnectMillis = Long.parseLong(value); break;
                default: throw new IllegalArgumentException("unknown flag " + flag);
            }
        }
        TransportConnector connector = broker.addConnector(
            "tcp://" + host + ":" + port + "?wireFormat.maxFrameSize=" + maxFrame);
        connector.setName("openwire");
        if (announce != null) connector.setDiscoveryUri(new URI(announce));
        for (Bridge bridge : bridges) broker.addNetworkConnector(bridge.finished());
        broker.start();
        broker.waitUntilStarted();
        System.out.println("ready tcp://" + host + ":" + connector.getConnectUri().getPort());
        serveStandardInput(broker);
    }

    private static ConditionalNetworkBridgeFilterFactory replay(BrokerService broker, boolean on) {
        ConditionalNetworkBridgeFilterFactory filter = new ConditionalNetworkBridgeFilterFactory();
        filter.setReplayWhenNoConsumers(on);
        queues(broker).setNetworkBridgeFilterFactory(filter);
        return filter;
    }

    /** The policy of all queues. */
    private static PolicyEntry queues(BrokerService broker) {
        if (broker.getDestinationPolicy() == null) {
            PolicyEntry all = new PolicyEntry();
            all.setQueue(">");
            PolicyMap policies = new PolicyMap();
            policies.setPolicyEntries(List.of(all));
            broker.setDestinationPolicy(policies);
        }
        return broker.getDestinationPolicy().getEntryFor(ActiveMQDestination.createDestination("any", ActiveMQDestination.QUEUE_TYPE));
    }

    private static ActiveMQDestination destination(String text) {
        return ActiveMQDestination.createDestination(text, ActiveMQDestination.QUEUE_TYPE);
    }

    private static void serveStandardInput(BrokerService broker) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        while (input.readLine() != null) {
            System.out.println("state " + new ObjectMapper().writeValueAsString(state(broker)));
        }
        Runtime.getRuntime().halt(0);
    }

    /** How many bridges each connector has; by queue what it holds, who takes from it, and what its dead letters died of. */
    private static Map<String, Object> state(BrokerService broker) throws Exception {
        RegionBroker region = (RegionBroker) broker.getRegionBroker();
        Map<String, Object> queues = new TreeMap<>();
        for (Destination destination : region.getQueueRegion().getDestinationMap().values()) {
            Map<String, Object> held = new LinkedHashMap<>();
            DestinationStatistics counts = destination.getDestinationStatistics();
            held.put("held", counts.getMessages().getCount());
            held.put("dispatched", counts.getInflight().getCount());
            held.put("enqueued", counts.getEnqueues().getCount());
            held.put("dequeued", counts.getDequeues().getCount());
            held.put("forwarded", counts.getForwards().getCount());
            List<String> takers = new ArrayList<>();
            for (Subscription one : destination.getConsumers()) {
                takers.add(one.getConsumerInfo().getConsumerId() + " holds " + one.getDispatchedQueueSize());
            }
            held.put("takers", takers);
            Map<String, Integer> causes = new TreeMap<>();
            for (Message message : ((Queue) destination).browse()) {
                Object cause = message.getProperty("dlqDeliveryFailureCause");
                if (cause != null) causes.merge(cause + ", by way of " + Arrays.toString(message.getBrokerPath()), 1, Integer::sum);
            }
            if (!causes.isEmpty()) held.put("died", causes);
            queues.put(destination.getName(), held);
        }
        Map<String, Object> all = new LinkedHashMap<>();
        List<Integer> links = new ArrayList<>();
        for (NetworkConnector connector : broker.getNetworkConnectors()) links.add(connector.activeBridges().size());
        all.put("id", broker.getRegionBroker().getBrokerId().toString());
        all.put("links", links);
        all.put("queues", queues);
        return all;
    }
}
