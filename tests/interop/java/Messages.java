// JMS messages from JSON and back.

import java.util.Collections;
import java.util.Enumeration;
import java.util.Iterator;
import java.util.Map;
import java.util.TreeSet;

import javax.jms.BytesMessage;
import javax.jms.DeliveryMode;
import javax.jms.JMSException;
import javax.jms.MapMessage;
import javax.jms.Message;
import javax.jms.MessageEOFException;
import javax.jms.ObjectMessage;
import javax.jms.Session;
import javax.jms.StreamMessage;
import javax.jms.TextMessage;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

final class Messages {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private Messages() { }

    /** "kind" is text, bytes, map, stream, object or empty; "body" its content; typed values are {TYPE: VALUE}. */
    static Message build(Session session, JsonNode call) throws JMSException {
        JsonNode body = call.path("body");
        Message message;
        switch (call.path("kind").asText("text")) {
            case "text": message = session.createTextMessage(body.isMissingNode() || body.isNull() ? null : body.asText()); break;
            case "bytes": {
                BytesMessage bytes = session.createBytesMessage();
                for (JsonNode b : body) bytes.writeByte((byte) b.asInt());
                message = bytes;
                break;
            }
            case "map": {
                MapMessage map = session.createMapMessage();
                for (Iterator<Map.Entry<String, JsonNode>> i = body.fields(); i.hasNext();) {
                    Map.Entry<String, JsonNode> entry = i.next();
                    map.setObject(entry.getKey(), value(entry.getValue()));
                }
                message = map;
                break;
            }
            case "stream": {
                StreamMessage stream = session.createStreamMessage();
                for (JsonNode item : body) stream.writeObject(value(item));
                message = stream;
                break;
            }
            case "object": message = session.createObjectMessage(body.asText()); break;
            case "empty": message = session.createMessage(); break;
            default: throw new IllegalArgumentException("kind: text, bytes, map, stream, object or empty");
        }
        for (Iterator<Map.Entry<String, JsonNode>> i = call.path("properties").fields(); i.hasNext();) {
            Map.Entry<String, JsonNode> property = i.next();
            message.setObjectProperty(property.getKey(), value(property.getValue()));
        }
        if (call.has("correlation_id")) message.setJMSCorrelationID(call.get("correlation_id").asText());
        if (call.has("jms_type")) message.setJMSType(call.get("jms_type").asText());
        return message;
    }

    static ObjectNode describe(Message message) throws JMSException {
        ObjectNode node = NODES.objectNode();
        node.put("id", message.getJMSMessageID());
        node.put("destination", String.valueOf(message.getJMSDestination()));
        node.put("redelivered", message.getJMSRedelivered());
        node.put("delivery_count", message.getIntProperty("JMSXDeliveryCount"));
        node.put("priority", message.getJMSPriority());
        node.put("persistent", message.getJMSDeliveryMode() == DeliveryMode.PERSISTENT);
        node.put("timestamp", message.getJMSTimestamp());
        node.put("expiration", message.getJMSExpiration());
        node.put("correlation_id", message.getJMSCorrelationID());
        node.put("reply_to", message.getJMSReplyTo() == null ? null : message.getJMSReplyTo().toString());
        node.put("jms_type", message.getJMSType());
        ObjectNode properties = node.putObject("properties");
        TreeSet<String> names = new TreeSet<>();
        for (Enumeration<?> e = message.getPropertyNames(); e.hasMoreElements();) names.add((String) e.nextElement());
        for (String name : names) {
            if (!name.startsWith("JMSX") && !name.equals("JMSActiveMQBrokerPath")) {
                properties.set(name, typed(message.getObjectProperty(name)));
            }
        }
        content(message, node);
        return node;
    }

    private static void content(Message message, ObjectNode node) throws JMSException {
        if (message instanceof TextMessage) {
            node.put("kind", "text").put("body", ((TextMessage) message).getText());
        } else if (message instanceof BytesMessage) {
            BytesMessage bytes = (BytesMessage) message;
            ArrayNode body = node.put("kind", "bytes").putArray("body");
            for (long i = bytes.getBodyLength(); i > 0; i--) body.add(bytes.readUnsignedByte());
        } else if (message instanceof MapMessage) {
            MapMessage map = (MapMessage) message;
            ObjectNode body = node.put("kind", "map").putObject("body");
            TreeSet<String> names = new TreeSet<>();
            for (Object name : Collections.list(map.getMapNames())) names.add((String) name);
            for (String name : names) body.set(name, typed(map.getObject(name)));
        } else if (message instanceof StreamMessage) {
            ArrayNode body = node.put("kind", "stream").putArray("body");
            try {
                while (true) body.add(typed(((StreamMessage) message).readObject()));
            } catch (MessageEOFException end) {
                // the only way to learn that a stream is over
            }
        } else if (message instanceof ObjectMessage) {
            node.put("kind", "object").put("body", String.valueOf(((ObjectMessage) message).getObject()));
        } else {
            node.put("kind", "empty");
        }
    }

    /** {"int": 1} is an Integer, {"long": 1} a Long …; a bare text a String. */
    private static Object value(JsonNode node) {
        if (!node.isObject()) return node.isNull() ? null : node.asText();
        Map.Entry<String, JsonNode> typed = node.fields().next();
        JsonNode value = typed.getValue();
        switch (typed.getKey()) {
            case "boolean": return value.asBoolean();
            case "byte": return (byte) value.asInt();
            case "short": return (short) value.asInt();
            case "char": return value.asText().charAt(0);
            case "int": return value.asInt();
            case "long": return value.asLong();
            case "float": return (float) value.asDouble();
            case "double": return value.asDouble();
            case "bytes": {
                byte[] bytes = new byte[value.size()];
                for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) value.get(i).asInt();
                return bytes;
            }
            default: throw new IllegalArgumentException("unknown type " + typed.getKey());
        }
    }

    private static JsonNode typed(Object value) {
        ObjectNode node = NODES.objectNode();
        if (value == null) return NODES.nullNode();
        if (value instanceof String) return NODES.textNode((String) value);
        if (value instanceof Boolean) return node.put("boolean", (Boolean) value);
        if (value instanceof Byte) return node.put("byte", ((Byte) value).intValue());
        if (value instanceof Short) return node.put("short", ((Short) value).intValue());
        if (value instanceof Character) return node.put("char", value.toString());
        if (value instanceof Integer) return node.put("int", (Integer) value);
        if (value instanceof Long) return node.put("long", (Long) value);
        if (value instanceof Float) return node.put("float", ((Float) value).doubleValue());
        if (value instanceof Double) return node.put("double", (Double) value);
        if (value instanceof byte[]) {
            ArrayNode bytes = node.putArray("bytes");
            for (byte b : (byte[]) value) bytes.add(b & 0xff);
            return node;
        }
        return NODES.textNode(value.toString());
    }
}
