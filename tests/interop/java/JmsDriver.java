// ActiveMQ's own JMS client, driven over standard input and output.
//
// Every input line is one JSON object with an "op"; it is answered by one output line:
// {"ok": …} or {"error": CLASS, "message": TEXT}. Objects (connections, sessions, producers,
// consumers, temporary destinations) get their name from "as" and are named by "on" later.
// With "background": NAME an operation runs beside the others; "join" waits for its answer.
// The process ends with its standard input.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Enumeration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

import javax.jms.Connection;
import javax.jms.DeliveryMode;
import javax.jms.Destination;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Queue;
import javax.jms.Session;
import javax.jms.TemporaryQueue;
import javax.jms.TemporaryTopic;
import javax.jms.Topic;
import javax.jms.XAConnection;
import javax.jms.XASession;

import org.apache.activemq.ActiveMQConnection;
import org.apache.activemq.ActiveMQConnectionFactory;
import org.apache.activemq.ActiveMQSession;
import org.apache.activemq.command.ActiveMQDestination;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

public final class JmsDriver {

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private final Map<String, Object> named = new ConcurrentHashMap<>();
    private final Map<String, List<Message>> received = new ConcurrentHashMap<>();
    private final Map<String, List<String>> exceptions = new ConcurrentHashMap<>();
    private final Map<String, CompletableFuture<JsonNode>> background = new ConcurrentHashMap<>();

    public static void main(String[] argv) throws Exception {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        JmsDriver driver = new JmsDriver();
        for (String line; (line = in.readLine()) != null;) {
            out.println(JSON.writeValueAsString(driver.answer(JSON.readTree(line))));
        }
        Runtime.getRuntime().halt(0);
    }

    private JsonNode answer(JsonNode call) {
        if (!call.has("background")) return attempt(call);
        CompletableFuture<JsonNode> result = new CompletableFuture<>();
        background.put(call.get("background").asText(), result);
        Thread thread = new Thread(() -> result.complete(attempt(call)));
        thread.setDaemon(true);
        thread.start();
        return NODES.objectNode().put("ok", "started");
    }

    private JsonNode attempt(JsonNode call) {
        try {
            JsonNode value = perform(call);
            if (call.get("op").asText().equals("join")) return value;
            return NODES.objectNode().set("ok", value);
        } catch (Exception e) {
            return NODES.objectNode().put("error", e.getClass().getName()).put("message", String.valueOf(e.getMessage()));
        }
    }

    private JsonNode perform(JsonNode call) throws Exception {
        switch (call.get("op").asText()) {
            case "connect": return connect(call);
            case "start": on(call, Connection.class).start(); return done();
            case "stop": on(call, Connection.class).stop(); return done();
            case "session": return session(call);
            case "producer": return producer(call);
            case "consumer": return consumer(call);
            case "durable": {
                Topic topic = (Topic) destination(text(call, "from"));
                String selector = call.path("selector").asText(null);
                boolean noLocal = call.path("no_local").asBoolean(false);
                named.put(text(call, "as"),
                    on(call, Session.class).createDurableSubscriber(topic, text(call, "subscription"), selector, noLocal));
                return done();
            }
            case "unsubscribe": on(call, Session.class).unsubscribe(text(call, "subscription")); return done();
            case "browser": {
                Queue queue = (Queue) destination(text(call, "from"));
                String selector = call.has("selector") ? text(call, "selector") : null;
                named.put(text(call, "as"), on(call, Session.class).createBrowser(queue, selector).getEnumeration());
                return done();
            }
            case "browse": {
                Enumeration<?> messages = on(call, Enumeration.class);
                ArrayNode bodies = NODES.arrayNode();
                int most = call.path("count").asInt(Integer.MAX_VALUE);
                while (bodies.size() < most && messages.hasMoreElements()) {
                    bodies.add(Messages.describe((Message) messages.nextElement()).get("body"));
                }
                return bodies;
            }
            case "xa_connect": {
                XAConnection connection = Xa.connect(text(call, "url"));
                named.put(text(call, "as"), connection);
                named.put(text(call, "as") + ".s", connection.createXASession());
                return done();
            }
            case "xa": return Xa.step(on(call, XASession.class), call);
            case "commit": on(call, Session.class).commit(); return done();
            case "rollback": on(call, Session.class).rollback(); return done();
            case "temporary_queue": {
                TemporaryQueue queue = on(call, Session.class).createTemporaryQueue();
                named.put(text(call, "as"), queue);
                return NODES.textNode(queue.getQueueName());
            }
            case "temporary_topic": {
                TemporaryTopic topic = on(call, Session.class).createTemporaryTopic();
                named.put(text(call, "as"), topic);
                return NODES.textNode(topic.getTopicName());
            }
            case "delete_temporary": {
                Object temporary = named.get(text(call, "on"));
                if (temporary instanceof TemporaryQueue) ((TemporaryQueue) temporary).delete();
                else ((TemporaryTopic) temporary).delete();
                return done();
            }
            case "send": return send(call);
            case "send_many": {
                Session session = named(text(call, "session"), Session.class);
                return Numbered.send(session, on(call, MessageProducer.class), call);
            }
            case "receive": {
                Message message = on(call, MessageConsumer.class).receive(call.get("timeout_ms").asLong());
                if (message == null) return NODES.nullNode();
                received.computeIfAbsent(text(call, "on"), name -> Collections.synchronizedList(new ArrayList<>())).add(message);
                return Messages.describe(message);
            }
            case "receive_now": {
                Message message = on(call, MessageConsumer.class).receiveNoWait();
                return message == null ? NODES.nullNode() : Messages.describe(message);
            }
            case "receive_many": return Numbered.receive(on(call, MessageConsumer.class), call);
            case "acknowledge": {
                List<Message> messages = received.get(text(call, "on"));
                int index = call.has("index") ? call.get("index").asInt() : messages.size() - 1;
                messages.get(index).acknowledge();
                return done();
            }
            case "recover": on(call, Session.class).recover(); return done();
            case "respond": return respond(call);
            case "exceptions": {
                ArrayNode list = NODES.arrayNode();
                for (String e : exceptions.get(text(call, "on"))) list.add(e);
                return list;
            }
            case "close": return close(call);
            case "join": return join(call);
            default: throw new IllegalArgumentException("unknown op in " + call);
        }
    }

    private JsonNode connect(JsonNode call) throws JMSException {
        ActiveMQConnectionFactory factory = new ActiveMQConnectionFactory(text(call, "url"));
        factory.setTrustAllPackages(true);
        factory.setWatchTopicAdvisories(call.path("watch_advisories").asBoolean(true));
        factory.setAlwaysSyncSend(call.path("always_sync_send").asBoolean(false));
        factory.setUseAsyncSend(call.path("async_send").asBoolean(false));
        factory.setOptimizeAcknowledge(call.path("optimize_acknowledge").asBoolean(false));
        factory.setUseCompression(call.path("compress").asBoolean(false));
        if (call.has("window")) factory.setProducerWindowSize(call.get("window").asInt());
        if (call.has("prefetch")) factory.getPrefetchPolicy().setAll(call.get("prefetch").asInt());
        factory.getRedeliveryPolicy().setInitialRedeliveryDelay(10);
        factory.getRedeliveryPolicy().setRedeliveryDelay(10);
        ActiveMQConnection connection = (ActiveMQConnection) factory.createConnection();
        try {
            List<String> list = Collections.synchronizedList(new ArrayList<>());
            connection.setExceptionListener(e -> list.add(e.getClass().getName()));
            if (call.has("client_id")) connection.setClientID(text(call, "client_id"));
            connection.start();
            exceptions.put(text(call, "as"), list);
        } catch (JMSException e) {
            connection.close();
            throw e;
        }
        named.put(text(call, "as"), connection);
        return NODES.textNode(connection.getConnectionInfo().getConnectionId().getValue());
    }

    private JsonNode session(JsonNode call) throws JMSException {
        int mode;
        switch (call.path("ack").asText("auto")) {
            case "auto": mode = Session.AUTO_ACKNOWLEDGE; break;
            case "client": mode = Session.CLIENT_ACKNOWLEDGE; break;
            case "dups_ok": mode = Session.DUPS_OK_ACKNOWLEDGE; break;
            case "individual": mode = ActiveMQSession.INDIVIDUAL_ACKNOWLEDGE; break;
            case "transacted": mode = Session.SESSION_TRANSACTED; break;
            default: throw new IllegalArgumentException("ack: auto, client, dups_ok, individual or transacted");
        }
        boolean transacted = mode == Session.SESSION_TRANSACTED;
        named.put(text(call, "as"), on(call, Connection.class).createSession(transacted, mode));
        return done();
    }

    private JsonNode producer(JsonNode call) throws JMSException {
        Destination to = call.has("to") ? destination(text(call, "to")) : null;
        MessageProducer producer = on(call, Session.class).createProducer(to);
        boolean persistent = call.path("persistent").asBoolean(false);
        producer.setDeliveryMode(persistent ? DeliveryMode.PERSISTENT : DeliveryMode.NON_PERSISTENT);
        producer.setPriority(call.path("priority").asInt(4));
        producer.setTimeToLive(call.path("time_to_live_ms").asLong(0));
        named.put(text(call, "as"), producer);
        return done();
    }

    private JsonNode consumer(JsonNode call) throws JMSException {
        boolean noLocal = call.path("no_local").asBoolean(false);
        String selector = call.has("selector") ? text(call, "selector") : null;
        Destination from = destination(text(call, "from"));
        MessageConsumer consumer = from instanceof Queue
            ? on(call, Session.class).createConsumer(from, selector)
            : on(call, Session.class).createConsumer(from, selector, noLocal);
        named.put(text(call, "as"), consumer);
        return done();
    }

    private JsonNode send(JsonNode call) throws JMSException {
        Message message = Messages.build(named(text(call, "session"), Session.class), call);
        if (call.has("reply_to")) message.setJMSReplyTo(destination(text(call, "reply_to")));
        MessageProducer producer = on(call, MessageProducer.class);
        if (call.has("to")) producer.send(destination(text(call, "to")), message);
        else producer.send(message);
        return NODES.textNode(message.getJMSMessageID());
    }

    /** Answers every request: its text to its reply address, correlated as it asks, else by its id. */
    private JsonNode respond(JsonNode call) throws JMSException {
        Session session = on(call, Session.class);
        MessageProducer replies = session.createProducer(null);
        replies.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        MessageConsumer requests = session.createConsumer(destination(text(call, "from")));
        String connection = text(call, "connection");
        requests.setMessageListener(request -> {
            try {
                Message reply = session.createTextMessage(((javax.jms.TextMessage) request).getText());
                String correlation = request.getJMSCorrelationID();
                reply.setJMSCorrelationID(correlation == null ? request.getJMSMessageID() : correlation);
                replies.send(request.getJMSReplyTo(), reply);
            } catch (JMSException e) {
                exceptions.get(connection).add(e.getClass().getName());
            }
        });
        return done();
    }

    private JsonNode close(JsonNode call) throws JMSException {
        Object object = named.remove(text(call, "on"));
        if (object instanceof Connection) ((Connection) object).close();
        else if (object instanceof Session) ((Session) object).close();
        else if (object instanceof MessageConsumer) ((MessageConsumer) object).close();
        else if (object instanceof MessageProducer) ((MessageProducer) object).close();
        else throw new IllegalArgumentException("nothing to close under that name: " + call);
        return done();
    }

    private JsonNode join(JsonNode call) throws InterruptedException, ExecutionException {
        CompletableFuture<JsonNode> result = background.get(text(call, "on"));
        try {
            return result.get(call.get("timeout_ms").asLong(), TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            ObjectNode waiting = NODES.objectNode();
            return waiting.put("error", "waiting").put("message", "still under way");
        }
    }

    /** "queue://NAME", "topic://NAME", or the name of a temporary destination made here. */
    private Destination destination(String text) {
        Object temporary = named.get(text);
        if (temporary instanceof Destination) return (Destination) temporary;
        return ActiveMQDestination.createDestination(text, ActiveMQDestination.QUEUE_TYPE);
    }

    private <T> T on(JsonNode call, Class<T> type) { return named(text(call, "on"), type); }

    private <T> T named(String name, Class<T> type) {
        Object object = named.get(name);
        if (!type.isInstance(object)) throw new IllegalArgumentException(name + " is no " + type.getSimpleName());
        return type.cast(object);
    }

    private static String text(JsonNode call, String key) {
        if (!call.has(key)) throw new IllegalArgumentException("\"" + key + "\" is missing in " + call);
        return call.get(key).asText();
    }

    private static JsonNode done() { return NODES.booleanNode(true); }
}
