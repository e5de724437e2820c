//! One field list per structure: the macro that turns a list into a struct, its encodings and its
//! description.

/// Declares wire structures from their field lists.
///
/// A list names each field in Rust, its name in the protocol's own terms, its kind, and, where it
/// is not part of every version, the versions that carry it. Fields stand in wire order. `base`
/// marks a command: it starts with `command_id` and `response_required`.
macro_rules! structures {
    ($(
        $(#[$meta:meta])*
        $name:ident $wire_name:literal = $type_id:literal $($base:ident)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident $field_name:literal : $kind:ident $(($arg:tt))? $(@ $versions:expr)?
            ),* $(,)?
        }
    )*) => {
        $(
            structures!(@struct $(#[$meta])* $name { $($base)? } {
                $( $(#[$field_meta])* $field : $kind $(($arg))? ),*
            });
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
    (@type array($t:tt)) => { Option<Vec<structures!(@element $t)>> };
    (@target Any) => { Box<$crate::command::Command> };
    (@target Message) => { std::sync::Arc<$crate::message::Message> };
    (@target $t:ident) => { $t };
    (@element Any) => { $crate::command::Command };
    (@element $t:ident) => { $t };
}
pub(crate) use structures;
