//! The declaration of a table.

/// Declares a table of a document once: the struct, how it is read, and its reference.
///
/// ```
/// use ferrymq_network::document::names::Name;
/// use ferrymq_network::section;
///
/// section! {
///     /// A ferry.
///     pub struct Ferry {
///         /// What it is called.
///         required name: Name,
///         /// How many cars it takes; the key is not the field's name.
///         optional capacity ("cars", "max_cars"): u32 = "12",
///     }
///     refused {
///         "trains" => "no ferry here takes trains",
///     }
/// }
/// ```
///
/// The words before a field:
///
/// - `required` gives a `Located<T>`,
/// - `optional` gives an `Option<Located<T>>`,
/// - `repeated` gives a `Vec<Located<T>>` of tables,
/// - `shared` includes the fields of another declaration in this table.
///
/// What stands behind a `=` is the default as it would be written in a file. It is for the reference
/// alone: whoever reads the table sets it.
///
/// After the fields, `refused` lists keys that are known but cannot be used, and `refused_by`
/// names a function that gives the reason against such a key.
#[macro_export]
macro_rules! section {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])*
                $presence:ident $field:ident
                $( ( $key:literal $(, $alias:literal)* ) )? : $type:ty $( = $default:literal )?
            ),* $(,)?
        }
        $( refused { $( $refused:literal => $reason:literal ),* $(,)? } )?
        $( refused_by $refusal:path )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $vis struct $name {
            $( $(#[doc = $doc])* pub $field: $crate::section!(@type $presence $type), )*
        }

        impl $crate::document::table::Fields for $name {
            fn list(fields: &mut Vec<$crate::document::table::Field>) {
                $(
                    $crate::section!(
                        @field fields, $presence, $type,
                        [$($key)? stringify!($field)], [$($($alias),*)?],
                        $crate::section!(@default [$($default)?]),
                        concat!($($doc, "\n",)* "")
                    );
                )*
                $( $(
                    fields.push($crate::document::table::Field {
                        key: $refused,
                        aliases: &[],
                        presence: $crate::document::table::Presence::Refused($reason),
                        expected: "nothing",
                        default: None,
                        doc: String::new(),
                    });
                )* )?
            }

            fn take(
                table: &mut $crate::document::table::Table<'_>,
                reader: &mut $crate::document::reader::Reader<'_>,
            ) -> Option<Self> {
                $(
                    let $field = $crate::section!(
                        @take table, reader, $presence,
                        [$($key)? stringify!($field)], [$($($alias),*)?]
                    );
                )*
                $( $( table.refused($refused, $reason, reader); )* )?
                $( table.refuse_by($refusal); )?
                Some(Self { $( $field: $field?, )* })
            }
        }

        impl $crate::document::value::Value for $name {
            const EXPECTED: &'static str = "a table";

            fn read(
                node: $crate::document::node::Node<'_>,
                reader: &mut $crate::document::reader::Reader<'_>,
            ) -> Option<Self> {
                $crate::document::table::section(node, false, reader).map(|located| located.value)
            }
        }
    };

    (@type required $type:ty) => { $crate::document::located::Located<$type> };
    (@type optional $type:ty) => { Option<$crate::document::located::Located<$type>> };
    (@type repeated $type:ty) => { Vec<$crate::document::located::Located<$type>> };
    (@type shared $type:ty) => { $type };

    (@key [$key:literal $($ignored:tt)*]) => { $key };
    (@key [$($stringified:tt)*]) => { $($stringified)* };

    (@take $table:ident, $reader:ident, shared, $key:tt, [$($alias:literal),*]) => {
        $crate::document::table::Fields::take($table, $reader)
    };
    (@take $table:ident, $reader:ident, $presence:ident, $key:tt, [$($alias:literal),*]) => {
        $table.$presence($crate::section!(@key $key), &[$($alias),*], $reader)
    };

    (@presence required) => { $crate::document::table::Presence::Required };
    (@presence optional) => { $crate::document::table::Presence::Optional };
    (@presence repeated) => { $crate::document::table::Presence::Repeated };

    (@default []) => { None };
    (@default [$default:literal]) => { Some($default) };

    (@field $fields:ident, shared, $type:ty, $key:tt, $aliases:tt, $default:expr, $doc:expr) => {
        <$type as $crate::document::table::Fields>::list($fields);
    };
    (
        @field $fields:ident, $presence:ident, $type:ty, $key:tt, [$($alias:literal),*],
        $default:expr, $doc:expr
    ) => {
        $fields.push($crate::document::table::Field {
            key: $crate::section!(@key $key),
            aliases: &[$($alias),*],
            presence: $crate::section!(@presence $presence),
            expected: <$type as $crate::document::value::Value>::EXPECTED,
            default: $default,
            doc: $doc.trim().to_owned(),
        });
    };
}
