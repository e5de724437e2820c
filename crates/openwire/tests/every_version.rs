//! Every structure in every version, as the protocol's tables say: values made up from the tables,
//! written loosely by a second, table-driven writer, must decode to those values, in every
//! encoding.
//!
//! The recorded frames cover seven of the twelve versions; this covers all, with nulls wherever the
//! protocol allows them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeMap;

use bytes::BytesMut;
use fastrand::Rng;
use ferrymq_openwire::codec::{Decoder, Encoder};
use ferrymq_openwire::describe::describe;
use ferrymq_openwire::error::DecodeError;
use ferrymq_openwire::format::WireFormat;

#[path = "support/json.rs"]
#[allow(dead_code)]
mod json;
#[path = "support/recorded.rs"]
#[allow(dead_code)]
mod recorded;

use json::Json;

const VALUES_OF_EACH: usize = if cfg!(debug_assertions) { 12 } else { 200 };

struct Field {
    name: String,
    kind: String,
    of: Option<String>,
}

/// The protocol's tables: `tests/data/commands.json`.
struct Tables {
    type_ids: BTreeMap<String, u8>,
    layouts: BTreeMap<(String, u8), Vec<Field>>,
}

impl Tables {
    fn read() -> Self {
        let json: serde_json::Value =
            serde_json::from_str(include_str!("data/commands.json")).unwrap();
        let mut tables = Self { type_ids: BTreeMap::new(), layouts: BTreeMap::new() };
        for structure in json["structures"].as_array().unwrap() {
            let name = structure["name"].as_str().unwrap().to_owned();
            let Some(id) = structure["type_id"].as_u64() else { continue };
            tables.type_ids.insert(name.clone(), id as u8);
            for layout in structure["wire_layouts"].as_array().unwrap() {
                for version in versions(layout["versions"].as_str().unwrap()) {
                    let fields = layout["fields"].as_array().unwrap().iter().map(field).collect();
                    tables.layouts.insert((name.clone(), version), fields);
                }
            }
        }
        tables
    }

    /// Names of the structures that may stand in a field.
    fn candidates(&self, of: &str, version: u8) -> Vec<&str> {
        let fits = |name: &str| match of {
            "ActiveMQDestination" => matches!(self.type_ids[name], 100..=103),
            "TransactionId" => matches!(self.type_ids[name], 111 | 112),
            "Message" => matches!(self.type_ids[name], 23..=29),
            "BooleanExpression" => name == "NetworkBridgeFilter",
            "DataStructure" => true,
            _ => name == of,
        };
        let of_version = self.layouts.keys().filter(|(_, v)| *v == version);
        of_version.map(|(name, _)| name.as_str()).filter(|name| fits(name)).collect()
    }
}

/// `1-3,5` and the like.
fn versions(ranges: &str) -> Vec<u8> {
    let bounds = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<u8>().unwrap()..=last.parse::<u8>().unwrap()
    };
    ranges.split(',').flat_map(bounds).collect()
}

fn field(field: &serde_json::Value) -> Field {
    let text = |k: usize| field[k].as_str().map(str::to_owned);
    Field { name: text(0).unwrap(), kind: text(1).unwrap(), of: text(2) }
}

/// Makes up values, and writes them loosely as it goes.
struct Maker<'a> {
    tables: &'a Tables,
    version: u8,
    stack_trace: bool,
    rng: Rng,
    out: Vec<u8>,
}

impl Maker<'_> {
    /// Whether a value is there; deep down they get rare.
    fn present(&mut self, depth: u32) -> bool {
        let present = self.rng.u32(..10) < 7u32.saturating_sub(depth * 2);
        self.out.push(present.into());
        present
    }

    fn structure(&mut self, name: &str, depth: u32) -> Json {
        let tables = self.tables;
        self.out.push(tables.type_ids[name]);
        let mut fields = vec![("_struct".to_owned(), Json::text(name))];
        for field in &tables.layouts[&(name.to_owned(), self.version)] {
            fields.push((field.name.clone(), self.value(field, depth)));
        }
        Json::Record(fields)
    }

    fn value(&mut self, field: &Field, depth: u32) -> Json {
        let of = field.of.as_deref().unwrap_or_default();
        match field.kind.as_str() {
            "boolean" => {
                let value = self.rng.bool();
                self.out.push(value.into());
                Json::Bool(value)
            }
            "byte" => {
                let value = self.rng.i8(..);
                self.out.extend(value.to_be_bytes());
                Json::Integer(value.into())
            }
            "int" => self.int(),
            "long" => {
                let value = self.rng.i64(..) >> self.rng.u32(..64);
                self.out.extend(value.to_be_bytes());
                Json::Record(vec![("long".into(), Json::text(&value.to_string()))])
            }
            "string" => self.string(),
            "byte_array" | "byte_sequence" => self.bytes(),
            "const_bytes" => {
                let bytes: [u8; 8] = std::array::from_fn(|_| self.rng.u8(..));
                self.out.extend(bytes);
                Json::Record(vec![("hex".into(), Json::text(&recorded::hex(&bytes)))])
            }
            "throwable" => self.throwable(depth),
            "nested" | "cached" => self.nested(of, depth),
            "object_array" => {
                if !self.present(0) {
                    return Json::Null;
                }
                let count = self.rng.u16(..4);
                self.out.extend(count.to_be_bytes());
                Json::List((0..count).map(|_| self.nested(of, depth + 1)).collect())
            }
            other => panic!("the tables have a new kind {other}"),
        }
    }

    fn nested(&mut self, of: &str, depth: u32) -> Json {
        if !self.present(depth) {
            return Json::Null;
        }
        let candidates = self.tables.candidates(of, self.version);
        let name = candidates[self.rng.usize(..candidates.len())];
        self.structure(name, depth + 1)
    }

    fn int(&mut self) -> Json {
        let value = self.rng.i32(..);
        self.out.extend(value.to_be_bytes());
        Json::Integer(value.into())
    }

    fn string(&mut self) -> Json {
        if !self.present(0) {
            return Json::Null;
        }
        let alphabet = [0x41, 0x7A, 0x2E, 0x00, 0x7F, 0x80, 0x7FF, 0x800, 0xD83D, 0xDE00, 0xFFFF];
        let plain = self.rng.bool();
        let unit = |rng: &mut Rng| alphabet[rng.usize(..if plain { 3 } else { alphabet.len() })];
        let units: Vec<u16> = (0..self.rng.usize(..12)).map(|_| unit(&mut self.rng)).collect();
        let mut bytes = Vec::new();
        for &unit in &units {
            let low = |shift: u16| (0x80 | unit >> shift & 0x3F) as u8;
            match unit {
                0x01..=0x7F => bytes.push(unit as u8),
                0x800.. => bytes.extend([(0xE0 | unit >> 12) as u8, low(6), low(0)]),
                _ => bytes.extend([(0xC0 | unit >> 6) as u8, low(0)]),
            }
        }
        self.out.extend((bytes.len() as u16).to_be_bytes());
        self.out.extend(bytes);
        Json::Text(units)
    }

    fn bytes(&mut self) -> Json {
        if !self.present(0) {
            return Json::Null;
        }
        let bytes: Vec<u8> = (0..self.rng.usize(..40)).map(|_| self.rng.u8(..)).collect();
        self.out.extend((bytes.len() as i32).to_be_bytes());
        self.out.extend(&bytes);
        Json::Record(vec![("hex".into(), Json::text(&recorded::hex(&bytes)))])
    }

    fn throwable(&mut self, depth: u32) -> Json {
        if !self.present(depth) {
            return Json::Null;
        }
        let mut fields =
            vec![("class".to_owned(), self.string()), ("message".to_owned(), self.string())];
        if self.stack_trace {
            let count = self.rng.u16(..4);
            self.out.extend(count.to_be_bytes());
            let line = |maker: &mut Self| {
                Json::List(vec![maker.string(), maker.string(), maker.string(), maker.int()])
            };
            let lines = (0..count).map(|_| line(self)).collect();
            fields.push(("stack".to_owned(), Json::List(lines)));
            fields.push(("cause".to_owned(), self.throwable(depth + 1)));
        }
        Json::Record(fields)
    }
}

/// A frame of this structure and the values in it.
fn make(tables: &Tables, name: &str, format: WireFormat, seed: u64) -> (Vec<u8>, Json) {
    let mut maker = Maker {
        tables,
        version: format.version,
        stack_trace: format.stack_trace,
        rng: Rng::with_seed(seed),
        out: vec![0; 4],
    };
    let values = maker.structure(name, 0);
    let mut frame = maker.out;
    let size = (frame.len() as u32 - 4).to_be_bytes();
    frame[..4].copy_from_slice(&size);
    (frame, values)
}

#[test]
fn every_structure_of_every_version_keeps_its_values_in_every_encoding() {
    let tables = Tables::read();
    let mut cases = 0;
    for (name, version) in tables.layouts.keys() {
        for seed in 0..VALUES_OF_EACH as u64 {
            let loose = WireFormat { stack_trace: seed % 2 == 0, ..WireFormat::loose(*version) };
            let (frame, values) = make(&tables, name, loose, seed);
            let title = format!("{name} v{version} seed {seed}");

            let decoded = Decoder::new(loose).decode(&mut BytesMut::from(&frame[..]));
            let command = decoded.unwrap_or_else(|e| panic!("{title}: {e}")).unwrap();
            let described = recorded::json(&describe(&command, loose.form()).unwrap());
            assert_eq!(described.to_string(), values.to_string(), "{title}");
            let mut again = BytesMut::new();
            Encoder::new(loose).encode(&command, &mut again).unwrap();
            assert_eq!(recorded::hex(&again), recorded::hex(&frame), "{title}");

            for (tight, cache_size) in [(true, None), (false, Some(0)), (true, Some(150))] {
                let format = WireFormat { tight, cache_size, ..loose };
                let (mut encoder, mut decoder) = (Encoder::new(format), Decoder::new(format));
                let mut wire = BytesMut::new();
                // The second time, what can be is taken from the cache.
                encoder.encode(&command, &mut wire).unwrap();
                encoder.encode(&command, &mut wire).unwrap();
                assert_eq!(decoder.decode(&mut wire).unwrap().as_ref(), Some(&command), "{title}");
                assert_eq!(decoder.decode(&mut wire).unwrap().as_ref(), Some(&command), "{title}");
                assert!(wire.is_empty(), "{title}");
            }
            cases += 1;
        }
    }
    // 57 structures in 12 versions, of which four came later.
    assert_eq!(cases, (57 * 12 - 16) * VALUES_OF_EACH);
}

#[test]
fn a_version_refuses_the_structures_that_it_does_not_have() {
    let tables = Tables::read();
    for version in 1..=12 {
        for type_id in 1..=255 {
            let known =
                |(name, v): &(String, u8)| *v == version && tables.type_ids[name] == type_id;
            if tables.layouts.keys().any(known) {
                continue;
            }
            let mut frame = BytesMut::from(&[0, 0, 0, 8, type_id, 0, 0, 0, 0, 0, 0, 0][..]);
            assert_eq!(
                Decoder::new(WireFormat::loose(version)).decode(&mut frame),
                Err(DecodeError::UnknownType { type_id, version }),
            );
        }
    }
}
