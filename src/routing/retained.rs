//! What the broker keeps of what peers say.

use ferrymq_openwire::commands::ConsumerInfo;
use ferrymq_openwire::destination::Destination;
use ferrymq_openwire::ids::ConsumerId;
use ferrymq_openwire::text::Text;

/// How many bytes of a consumer's description the broker keeps while the consumer lives.
pub fn bytes_kept(info: &ConsumerInfo) -> usize {
    let length = |text: Option<&Text>| text.map_or(0, |text| text.as_bytes().len());
    let id = info.consumer_id.as_ref().and_then(|id| id.connection_id.as_ref());
    let address = info.destination.as_ref().map(Destination::name);
    let rest = [&info.client_id, &info.subscription_name, &info.selector].map(Option::as_ref);
    let texts = [id, address].into_iter().chain(rest);
    let path = info.broker_path.iter().flatten().flatten().map(|id| length(id.value.as_ref()));
    let consumers = info.network_consumer_path.iter().flatten().flatten();
    let consumers = consumers.map(|id| length(id.connection_id.as_ref()));
    // Each hop also takes a place of its own.
    let hops: usize = path.chain(consumers).map(|bytes| bytes + size_of::<ConsumerId>()).sum();
    texts.map(length).sum::<usize>() + hops
}
