//! One decoded unit of OpenWire.

use std::sync::Arc;

use crate::codec::reader::{FrameReader, Loose, Mode};
use crate::codec::writer::FieldWriter;
use crate::commands::*;
use crate::destination::Destination;
use crate::error::{DecodeError, EncodeError};
use crate::ids::*;
use crate::message::{Message, MessageFields, MessageKind};
use crate::structure::{Cacheable, Head, Structure};

/// Declares [`Command`]: a variant for each structure that may stand in a frame. The large ones are
/// `boxed`, so that they do not make every command large.
macro_rules! command {
    (boxed { $($boxed:ident),* $(,)? } inline { $($inline:ident),* $(,)? }) => {
        /// One OpenWire unit, decoded: a command of a connection, or (inside other structures) an
        /// identifier or an address. ActiveMQ calls it `DataStructure`.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Command {
            /// A message of any kind (types 23 to 29).
            Message(Arc<Message>),
            /// An address of any kind (types 100 to 103).
            Destination(Destination),
            $(
                #[doc = concat!("See [`", stringify!($boxed), "`].")]
                $boxed(Box<$boxed>),
            )*
            $(
                #[doc = concat!("See [`", stringify!($inline), "`].")]
                $inline($inline),
            )*
        }

        impl Structure for Command {
            const EXPECTED: &'static str = "DataStructure";

            fn type_id(&self) -> u8 {
                match self {
                    Self::Message(message) => message.type_id(),
                    Self::Destination(destination) => destination.type_id(),
                    $( Self::$boxed(_) => $boxed::TYPE_ID, )*
                    $( Self::$inline(_) => $inline::TYPE_ID, )*
                }
            }

            fn wire_name(&self) -> &'static str {
                match self {
                    Self::Message(message) => message.wire_name(),
                    Self::Destination(destination) => destination.wire_name(),
                    $( Self::$boxed(command) => command.wire_name(), )*
                    $( Self::$inline(command) => command.wire_name(), )*
                }
            }

            fn read<M: Mode>(
                type_id: u8,
                reader: &mut FrameReader<'_, M>,
            ) -> Result<Self, DecodeError> {
                match type_id {
                    23..=29 => Arc::<Message>::read(type_id, reader).map(Self::Message),
                    100..=103 => Destination::read(type_id, reader).map(Self::Destination),
                    $( $boxed::TYPE_ID => Box::<$boxed>::read(type_id, reader).map(Self::$boxed), )*
                    $( $inline::TYPE_ID => $inline::read(type_id, reader).map(Self::$inline), )*
                    _ => Err(DecodeError::UnknownType { type_id, version: reader.version() }),
                }
            }

            fn skip(
                type_id: u8,
                reader: &mut FrameReader<'_, Loose>,
            ) -> Result<(), DecodeError> {
                match type_id {
                    23..=29 => Arc::<Message>::skip(type_id, reader),
                    100..=103 => Destination::skip(type_id, reader),
                    $( $boxed::TYPE_ID => Box::<$boxed>::skip(type_id, reader), )*
                    $( $inline::TYPE_ID => $inline::skip(type_id, reader), )*
                    _ => Err(DecodeError::UnknownType { type_id, version: reader.version() }),
                }
            }

            fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
                match self {
                    Self::Message(message) => message.write(writer),
                    Self::Destination(destination) => destination.write(writer),
                    $( Self::$boxed(command) => command.write(writer), )*
                    $( Self::$inline(command) => command.write(writer), )*
                }
            }
        }

        impl Head for Command {
            fn head(&mut self) -> Option<(&mut i32, &mut bool)> {
                match self {
                    Self::Message(message) => {
                        let message = Arc::make_mut(message);
                        Some((&mut message.command_id, &mut message.response_required))
                    }
                    Self::Destination(_) => None,
                    $( Self::$boxed(command) => command.head(), )*
                    $( Self::$inline(command) => command.head(), )*
                }
            }

            fn peek(&self) -> Option<(i32, bool)> {
                match self {
                    Self::Message(message) => Some((message.command_id, message.response_required)),
                    Self::Destination(_) => None,
                    $( Self::$boxed(command) => command.peek(), )*
                    $( Self::$inline(command) => command.peek(), )*
                }
            }
        }


        $(
            impl From<$boxed> for Command {
                fn from(command: $boxed) -> Self {
                    Self::$boxed(Box::new(command))
                }
            }
        )*
        $(
            impl From<$inline> for Command {
                fn from(command: $inline) -> Self {
                    Self::$inline(command)
                }
            }
        )*
    };
}

command! {
    boxed {
        BrokerInfo, BrokerSubscriptionInfo, ConnectionControl, ConnectionInfo, ConsumerInfo,
        JournalQueueAck, JournalTopicAck, MessageAck, MessageDispatchNotification, MessagePull,
        ProducerInfo, SubscriptionInfo, TransactionInfo,
    }
    inline {
        ConnectionError, ConsumerControl, ControlCommand, DataArrayResponse, DataResponse,
        DestinationInfo, DiscoveryEvent, ExceptionResponse, FlushCommand, IntegerResponse,
        JournalTrace, JournalTransaction, KeepAliveInfo, LastPartialCommand, MessageDispatch,
        NetworkBridgeFilter, PartialCommand, ProducerAck, RemoveInfo, RemoveSubscriptionInfo,
        ReplayCommand, Response, SessionInfo, ShutdownInfo, WireFormatInfo,
        BrokerId, ConnectionId, SessionId, ConsumerId, ProducerId, MessageId,
        LocalTransactionId, XaTransactionId,
    }
}

// Connections hold commands by the hundred, in queues that are moved whole.
const _: () = assert!(size_of::<Command>() <= 96);

impl Command {
    /// The type byte of this command's frame.
    pub fn type_id(&self) -> u8 {
        Structure::type_id(self)
    }

    /// ActiveMQ's name of the structure.
    pub fn wire_name(&self) -> &'static str {
        Structure::wire_name(self)
    }

    /// Number of the command on its connection; `None` for structures that are no commands.
    pub fn command_id(&self) -> Option<i32> {
        self.peek().map(|(command_id, _)| command_id)
    }

    /// Whether the sender waits for a response.
    pub fn response_required(&self) -> bool {
        self.peek().is_some_and(|(_, response_required)| response_required)
    }

    /// Sets number and wish for a response; false for structures that are no commands.
    pub fn set_head(&mut self, command_id: i32, response_required: bool) -> bool {
        match self.head() {
            Some((id, required)) => {
                *id = command_id;
                *required = response_required;
                true
            }
            None => false,
        }
    }
}

impl From<Message> for Command {
    fn from(message: Message) -> Self {
        Self::Message(Arc::new(message))
    }
}

impl From<Arc<Message>> for Command {
    fn from(message: Arc<Message>) -> Self {
        Self::Message(message)
    }
}

impl From<Destination> for Command {
    fn from(destination: Destination) -> Self {
        Self::Destination(destination)
    }
}

impl From<TransactionId> for Command {
    fn from(id: TransactionId) -> Self {
        match id {
            TransactionId::Local(id) => Self::LocalTransactionId(id),
            TransactionId::Xa(id) => Self::XaTransactionId(id),
        }
    }
}

impl Structure for Arc<Message> {
    const EXPECTED: &'static str = "Message";

    fn type_id(&self) -> u8 {
        self.kind().type_id()
    }

    fn wire_name(&self) -> &'static str {
        self.kind().wire_name()
    }

    fn read<M: Mode>(type_id: u8, reader: &mut FrameReader<'_, M>) -> Result<Self, DecodeError> {
        let kind = MessageKind::of_type(type_id)
            .ok_or(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED })?;
        reader.charge(size_of::<Message>())?;
        reader.message(kind).map(Arc::new)
    }

    fn skip(type_id: u8, reader: &mut FrameReader<'_, Loose>) -> Result<(), DecodeError> {
        let kind = MessageKind::of_type(type_id)
            .ok_or(DecodeError::UnexpectedType { type_id, expected: Self::EXPECTED })?;
        reader.charge(size_of::<Message>())?;
        reader.step(5)?; // commandId, responseRequired
        MessageFields::scan(kind, reader).map(drop)
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        writer.message(self)
    }
}

macro_rules! cacheable {
    ($($name:ident),*) => { $(
        impl Cacheable for $name {
            fn to_command(&self) -> Command {
                Command::$name(self.clone())
            }

            fn from_command(command: &Command) -> Option<Self> {
                match command {
                    Command::$name(value) => Some(value.clone()),
                    _ => None,
                }
            }
        }
    )* };
}
cacheable!(BrokerId, ConnectionId, SessionId, ConsumerId, ProducerId, Destination);

impl Cacheable for TransactionId {
    fn to_command(&self) -> Command {
        self.clone().into()
    }

    fn from_command(command: &Command) -> Option<Self> {
        match command {
            Command::LocalTransactionId(id) => Some(Self::Local(id.clone())),
            Command::XaTransactionId(id) => Some(Self::Xa(id.clone())),
            _ => None,
        }
    }
}

impl Cacheable for Box<Command> {
    fn to_command(&self) -> Command {
        (**self).clone()
    }

    fn from_command(command: &Command) -> Option<Self> {
        Some(Box::new(command.clone()))
    }
}
