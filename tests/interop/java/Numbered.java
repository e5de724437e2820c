// Long runs of numbered messages: who sends them knows the numbers, so who receives them knows what
// was lost, doubled or out of order.

import java.util.BitSet;

import javax.jms.BytesMessage;
import javax.jms.JMSException;
import javax.jms.Message;
import javax.jms.MessageConsumer;
import javax.jms.MessageProducer;
import javax.jms.Session;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

final class Numbered {

    private Numbered() { }

    /** Sends "count" messages of "size" bytes, numbered from "first" (0). */
    static JsonNode send(Session session, MessageProducer producer, JsonNode call) throws JMSException {
        int first = call.path("first").asInt(0), count = call.get("count").asInt();
        byte[] filling = new byte[Math.max(0, call.path("size").asInt(64) - Integer.BYTES)];
        for (int number = first; number < first + count; number++) {
            BytesMessage message = session.createBytesMessage();
            message.writeInt(number);
            message.writeBytes(filling);
            producer.send(message);
        }
        return JsonNodeFactory.instance.objectNode().put("sent", count);
    }

    /** Receives up to "count" messages, waiting at most "timeout_ms" for each; acknowledges each when asked to. */
    static JsonNode receive(MessageConsumer consumer, JsonNode call) throws JMSException {
        int count = call.get("count").asInt();
        long timeout = call.get("timeout_ms").asLong();
        boolean acknowledge = call.path("acknowledge").asBoolean(false);
        BitSet seen = new BitSet();
        int received = 0, duplicates = 0, disordered = 0, redelivered = 0, first = -1, last = -1;
        while (received < count) {
            Message message = consumer.receive(timeout);
            if (message == null) break;
            int number = ((BytesMessage) message).readInt();
            if (seen.get(number)) duplicates++;
            seen.set(number);
            if (number < last) disordered++;
            if (message.getJMSRedelivered()) redelivered++;
            if (first < 0) first = number;
            last = number;
            received++;
            if (acknowledge) message.acknowledge();
        }
        ObjectNode node = JsonNodeFactory.instance.objectNode();
        return node.put("received", received).put("distinct", seen.cardinality()).put("duplicates", duplicates)
            .put("disordered", disordered).put("redelivered", redelivered).put("first", first).put("last", last);
    }
}
