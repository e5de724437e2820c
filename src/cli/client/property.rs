//! Message properties as people write them: `name=value`, or `name:type=value`.

use ferrymq_openwire::properties::Value;
use ferrymq_transport::names::nearest;

const TYPES: [&str; 8] = ["string", "bool", "byte", "short", "int", "long", "float", "double"];

/// A property from the command line.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct PropertyArgument {
    /// Its name.
    pub(in crate::cli) name: String,
    /// Its value.
    pub(in crate::cli) value: Value,
}

/// Reads a property; the error is for the user.
pub(in crate::cli) fn parse(text: &str) -> Result<PropertyArgument, String> {
    let (declared, value) =
        text.split_once('=').ok_or("a property is written name=value or name:type=value")?;
    let (name, kind) = declared.split_once(':').unwrap_or((declared, "string"));
    if name.is_empty() {
        return Err("a property needs a name".to_owned());
    }
    let read = match kind {
        "string" => Some(Value::String(value.into())),
        "bool" => value.parse().ok().map(Value::Bool),
        "byte" => value.parse().ok().map(Value::Byte),
        "short" => value.parse().ok().map(Value::Short),
        "int" => value.parse().ok().map(Value::Int),
        "long" => value.parse().ok().map(Value::Long),
        "float" => value.parse().ok().map(Value::Float),
        "double" => value.parse().ok().map(Value::Double),
        other => {
            let hint = match nearest(other, &TYPES) {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("types are {}", TYPES.join(", ")),
            };
            return Err(format!("unknown property type `{other}`; {hint}"));
        }
    };
    let value = read.ok_or_else(|| format!("`{value}` is no value of type {kind}"))?;
    Ok(PropertyArgument { name: name.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_strings_unless_they_say_otherwise() {
        let read = |text| parse(text).map(|property| (property.name, property.value)).unwrap();
        assert_eq!(read("port=Hamburg"), ("port".into(), Value::String("Hamburg".into())));
        assert_eq!(read("formula=a=b"), ("formula".into(), Value::String("a=b".into())));
        assert_eq!(read("n:int=-3"), ("n".into(), Value::Int(-3)));
        assert_eq!(read("ok:bool=true"), ("ok".into(), Value::Bool(true)));
        assert_eq!(read("x:double=0.5"), ("x".into(), Value::Double(0.5)));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(parse("port").unwrap_err().contains("name=value"));
        assert!(parse("n:int=many").unwrap_err().contains("no value of type int"));
        assert!(parse("n:byte=300").unwrap_err().contains("no value of type byte"));
        assert!(parse("n:itn=3").unwrap_err().contains("did you mean `int`"));
        assert!(parse("=3").unwrap_err().contains("needs a name"));
    }
}
