// Branches of distributed transactions on ActiveMQ's XA sessions.

import java.nio.charset.StandardCharsets;
import java.util.TreeSet;

import javax.jms.JMSException;
import javax.jms.XAConnection;
import javax.jms.XASession;
import javax.transaction.xa.XAException;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;

import org.apache.activemq.ActiveMQXAConnectionFactory;

final class Xa {

    private static final JsonNodeFactory NODES = JsonNodeFactory.instance;

    private Xa() { }

    static XAConnection connect(String url) throws JMSException {
        ActiveMQXAConnectionFactory factory = new ActiveMQXAConnectionFactory(url);
        factory.getRedeliveryPolicy().setInitialRedeliveryDelay(10);
        factory.getRedeliveryPolicy().setRedeliveryDelay(10);
        XAConnection connection = factory.createXAConnection();
        connection.start();
        return connection;
    }

    /** "step" is one of XAResource; "xid" names the branch. The codes of XAExceptions are values. */
    static JsonNode step(XASession session, JsonNode call) {
        XAResource resource = session.getXAResource();
        Xid xid = new Branch(call.path("xid").asText(""));
        try {
            switch (call.get("step").asText()) {
                case "start": resource.start(xid, XAResource.TMNOFLAGS); break;
                case "end": resource.end(xid, XAResource.TMSUCCESS); break;
                case "suspend": resource.end(xid, XAResource.TMSUSPEND); break;
                case "resume": resource.start(xid, XAResource.TMRESUME); break;
                case "prepare": return NODES.numberNode(resource.prepare(xid));
                case "commit": resource.commit(xid, false); break;
                case "commit_one_phase": resource.commit(xid, true); break;
                case "rollback": resource.rollback(xid); break;
                case "forget": resource.forget(xid); break;
                case "recover": {
                    TreeSet<String> names = new TreeSet<>();
                    for (Xid branch : resource.recover(XAResource.TMSTARTRSCAN)) {
                        names.add(new String(branch.getGlobalTransactionId(), StandardCharsets.UTF_8));
                    }
                    ArrayNode list = NODES.arrayNode();
                    names.forEach(list::add);
                    return list;
                }
                default: throw new IllegalArgumentException("unknown step in " + call);
            }
            return NODES.textNode("done");
        } catch (XAException e) {
            return NODES.textNode("XAException " + e.errorCode);
        }
    }

    private static final class Branch implements Xid {
        private final String name;

        Branch(String name) { this.name = name; }

        @Override public int getFormatId() { return 1; }

        @Override public byte[] getGlobalTransactionId() { return name.getBytes(StandardCharsets.UTF_8); }

        @Override public byte[] getBranchQualifier() { return new byte[] {1}; }
    }
}
