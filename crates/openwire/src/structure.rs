//! One field list per structure: the macro that turns a list into a struct and its encodings.

use crate::codec::reader::{FrameReader, Loose, Mode};
use crate::codec::writer::FieldWriter;
use crate::command::Command;
use crate::error::{DecodeError, EncodeError};

/// Something that stands in a frame or in a nested field: a type byte and the fields of that type.
pub(crate) trait Structure: Sized {
    /// What to call it in an error.
    const EXPECTED: &'static str;

    /// The type byte.
    fn type_id(&self) -> u8;

    /// Reads the fields that follow the type byte.
    fn read<M: Mode>(type_id: u8, reader: &mut FrameReader<'_, M>) -> Result<Self, DecodeError>;

    /// Checks the fields that follow the type byte, as [`Structure::read`] does, and steps over
    /// them: loosely, with the cache off, and without allocating.
    fn skip(type_id: u8, reader: &mut FrameReader<'_, Loose>) -> Result<(), DecodeError>;

    /// Writes the fields that follow the type byte.
    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError>;

    /// ActiveMQ's name of the structure.
    fn wire_name(&self) -> &'static str;
}

/// A structure that may stand in a cached field.
pub(crate) trait Cacheable: Structure {
    /// As the cache holds it.
    fn to_command(&self) -> Command;

    /// Back from the cache, if it is of this type.
    fn from_command(command: &Command) -> Option<Self>;
}

/// The head of every command that is sent on its own.
pub(crate) trait Head {
    /// Number and whether a response is wanted; `None` for structures that are no commands.
    fn head(&mut self) -> Option<(&mut i32, &mut bool)>;

    /// The same, to look at.
    fn peek(&self) -> Option<(i32, bool)>;
}

impl<T: Structure> Structure for Box<T> {
    const EXPECTED: &'static str = T::EXPECTED;

    fn type_id(&self) -> u8 {
        T::type_id(self)
    }

    fn read<M: Mode>(type_id: u8, reader: &mut FrameReader<'_, M>) -> Result<Self, DecodeError> {
        reader.charge(size_of::<T>())?;
        T::read(type_id, reader).map(Box::new)
    }

    fn skip(type_id: u8, reader: &mut FrameReader<'_, Loose>) -> Result<(), DecodeError> {
        reader.charge(size_of::<T>())?;
        T::skip(type_id, reader)
    }

    fn write<W: FieldWriter>(&self, writer: &mut W) -> Result<(), EncodeError> {
        T::write(self, writer)
    }

    fn wire_name(&self) -> &'static str {
        T::wire_name(self)
    }
}

/// Whether Java marshals this type through its own hook, for which the tight encoding has one more
/// bit per nested field.
pub(crate) fn is_marshal_aware(type_id: u8) -> bool {
    matches!(type_id, 1 | 23..=29)
}

/// Declares wire structures from their field lists.
///
/// A list names each field in Rust, its name in the protocol's own terms (and, after `|`, the
/// first version with another name and that name), its kind, and, where it is not part of every
/// version, the versions that carry it. Fields stand in wire order. After the structure's type
/// byte stands, where it is not 1, the first version that has the structure at all. `base` marks a
/// command: it starts with `command_id` and `response_required`. `id` marks an identifier, which
/// derives its equality itself.
///
/// From the one list follow the struct, its reading and its writing. Both are generic over the
/// encoding: loose and tight, with and without cache, and, for writing, the description of the
/// fields by name.
macro_rules! structures {
    ($(
        $(#[$meta:meta])*
        $name:ident $wire_name:literal = $type_id:literal $(@ $since:literal)? $($base:ident)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident $field_name:literal $(| $later:literal $later_name:literal)?
                    : $kind:ident $(($arg:tt))? $(@ $versions:expr)?
            ),* $(,)?
        }
    )*) => {
        $(
            structures!(@struct $(#[$meta])* $name { $($base)? } {
                $( $(#[$field_meta])* $field : $kind $(($arg))? ),*
            });

            impl $name {
                /// The type byte of this structure.
                pub const TYPE_ID: u8 = $type_id;
            }

            impl $crate::structure::Structure for $name {
                const EXPECTED: &'static str = $wire_name;

                fn type_id(&self) -> u8 {
                    $type_id
                }

                fn wire_name(&self) -> &'static str {
                    $wire_name
                }

                fn read<M: $crate::codec::reader::Mode>(
                    type_id: u8,
                    reader: &mut $crate::codec::reader::FrameReader<'_, M>,
                ) -> Result<Self, $crate::error::DecodeError> {
                    structures!(@expect $type_id, type_id, $wire_name);
                    structures!(@since_read reader, type_id $(, $since)?);
                    let mut value = Self::default();
                    structures!(@base_read value, reader $(, $base)?);
                    $(
                        if structures!(@carried reader $(, $versions)?) {
                            value.$field = structures!(@read reader, $kind);
                        }
                    )*
                    Ok(value)
                }

                fn skip(
                    type_id: u8,
                    reader: &mut $crate::codec::reader::FrameReader<
                        '_,
                        $crate::codec::reader::Loose,
                    >,
                ) -> Result<(), $crate::error::DecodeError> {
                    structures!(@expect $type_id, type_id, $wire_name);
                    structures!(@since_read reader, type_id $(, $since)?);
                    structures!(@base_skip reader $(, $base)?);
                    $(
                        if structures!(@carried reader $(, $versions)?) {
                            structures!(@skip reader, $kind $(($arg))?);
                        }
                    )*
                    Ok(())
                }

                fn write<W: $crate::codec::writer::FieldWriter>(
                    &self,
                    writer: &mut W,
                ) -> Result<(), $crate::error::EncodeError> {
                    structures!(@since_write writer, $wire_name $(, $since)?);
                    structures!(@base_write self, writer $(, $base)?);
                    $(
                        if structures!(@carried writer $(, $versions)?) {
                            writer.field(
                                structures!(@name writer, $field_name $(, $later, $later_name)?)
                            );
                            structures!(@write writer, self.$field, $kind);
                        }
                    )*
                    Ok(())
                }
            }

            structures!(@head $name $(, $base)?);
        )*
    };

    (@struct $(#[$meta:meta])* $name:ident { base } {
        $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($arg:tt))? ),*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            /// Number of this command on its connection; a response names it.
            pub command_id: i32,
            /// Whether the sender waits for a response.
            pub response_required: bool,
            $( $(#[$field_meta])* pub $field: structures!(@type $kind $(($arg))?), )*
        }
    };
    (@struct $(#[$meta:meta])* $name:ident { } {
        $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($arg:tt))? ),*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: structures!(@type $kind $(($arg))?), )*
        }
    };

    (@struct $(#[$meta:meta])* $name:ident { id } {
        $( $(#[$field_meta:meta])* $field:ident : $kind:ident $(($arg:tt))? ),*
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default)]
        pub struct $name {
            $( $(#[$field_meta])* pub $field: structures!(@type $kind $(($arg))?), )*
        }
    };

    (@type boolean) => { bool };
    (@type byte) => { i8 };
    (@type int) => { i32 };
    (@type long) => { i64 };
    (@type string) => { Option<$crate::text::Text> };
    (@type bytes) => { Option<bytes::Bytes> };
    (@type magic) => { $crate::commands::Magic };
    (@type throwable) => { Option<$crate::throwable::Throwable> };
    (@type nested($t:tt)) => { Option<structures!(@target $t)> };
    (@type cached($t:tt)) => { Option<structures!(@target $t)> };
    (@type array($t:tt)) => { Option<Vec<Option<structures!(@element $t)>>> };
    (@target Any) => { Box<$crate::command::Command> };
    (@target Message) => { std::sync::Arc<$crate::message::Message> };
    (@target $t:ident) => { $t };
    (@element Any) => { $crate::command::Command };
    (@element $t:ident) => { $t };

    (@expect $own:literal, $found:ident, $wire_name:literal) => {
        if $found != $own {
            return Err($crate::error::DecodeError::UnexpectedType {
                type_id: $found,
                expected: $wire_name,
            });
        }
    };

    (@since_read $reader:ident, $type_id:ident) => {};
    (@since_read $reader:ident, $type_id:ident, $since:literal) => {
        if $reader.version() < $since {
            return Err($crate::error::DecodeError::UnknownType {
                type_id: $type_id,
                version: $reader.version(),
            });
        }
    };
    (@since_write $writer:ident, $wire_name:literal) => {};
    (@since_write $writer:ident, $wire_name:literal, $since:literal) => {
        if $writer.version() < $since {
            return Err($crate::error::EncodeError::NotInVersion {
                structure: $wire_name,
                version: $writer.version(),
            });
        }
    };

    (@base_read $value:ident, $reader:ident) => {};
    (@base_read $value:ident, $reader:ident, id) => {};
    (@base_read $value:ident, $reader:ident, base) => {
        $value.command_id = $reader.int()?;
        $value.response_required = $reader.boolean()?;
    };
    (@base_skip $reader:ident) => {};
    (@base_skip $reader:ident, id) => {};
    (@base_skip $reader:ident, base) => { $reader.step(5)?; };
    (@base_write $value:ident, $writer:ident) => {};
    (@base_write $value:ident, $writer:ident, id) => {};
    (@base_write $value:ident, $writer:ident, base) => {
        $writer.field("commandId");
        $writer.int($value.command_id)?;
        $writer.field("responseRequired");
        $writer.boolean($value.response_required)?;
    };

    (@head $name:ident, id) => { structures!(@head $name); };
    (@head $name:ident) => {
        impl $crate::structure::Head for $name {
            fn head(&mut self) -> Option<(&mut i32, &mut bool)> {
                None
            }

            fn peek(&self) -> Option<(i32, bool)> {
                None
            }
        }
    };
    (@head $name:ident, base) => {
        impl $crate::structure::Head for $name {
            fn head(&mut self) -> Option<(&mut i32, &mut bool)> {
                Some((&mut self.command_id, &mut self.response_required))
            }

            fn peek(&self) -> Option<(i32, bool)> {
                Some((self.command_id, self.response_required))
            }
        }
    };

    (@carried $codec:ident) => { true };
    (@carried $codec:ident, $versions:expr) => { ($versions).contains(&$codec.version()) };

    (@name $writer:ident, $name:literal) => { $name };
    (@name $writer:ident, $name:literal, $later:literal, $later_name:literal) => {
        if $writer.version() < $later { $name } else { $later_name }
    };

    (@read $reader:ident, magic) => { $crate::commands::Magic($reader.constant()?) };
    (@read $reader:ident, $kind:ident) => { $reader.$kind()? };

    (@skip $reader:ident, boolean) => { $reader.step(1)? };
    (@skip $reader:ident, byte) => { $reader.step(1)? };
    (@skip $reader:ident, int) => { $reader.step(4)? };
    (@skip $reader:ident, long) => { $reader.step(8)? };
    (@skip $reader:ident, magic) => { $reader.step(8)? };
    (@skip $reader:ident, string) => { $reader.skip_string()? };
    (@skip $reader:ident, bytes) => { $reader.skip_bytes()? };
    (@skip $reader:ident, throwable) => { $reader.skip_throwable()? };
    (@skip $reader:ident, nested($t:tt)) => { $reader.skip_nested::<structures!(@target $t)>()? };
    (@skip $reader:ident, cached($t:tt)) => { $reader.skip_nested::<structures!(@target $t)>()? };
    (@skip $reader:ident, array($t:tt)) => { $reader.skip_array::<structures!(@element $t)>()? };

    (@write $writer:ident, $value:expr, boolean) => { $writer.boolean($value)? };
    (@write $writer:ident, $value:expr, byte) => { $writer.byte($value)? };
    (@write $writer:ident, $value:expr, int) => { $writer.int($value)? };
    (@write $writer:ident, $value:expr, long) => { $writer.long($value)? };
    (@write $writer:ident, $value:expr, magic) => { $writer.constant(&$value.0)? };
    (@write $writer:ident, $value:expr, bytes) => { $writer.bytes($value.as_deref())? };
    (@write $writer:ident, $value:expr, array) => { $writer.array($value.as_deref())? };
    (@write $writer:ident, $value:expr, $kind:ident) => { $writer.$kind($value.as_ref())? };
}
pub(crate) use structures;
