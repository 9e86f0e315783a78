//! What must hold for any bytes that are taken for a value.

use std::{collections::BTreeMap, net::IpAddr};

use serde::Deserialize;

use super::*;

/// Anything that describes itself, read by way of serde's own buffer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Any {
    None,
    Bool(bool),
    Positive(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

#[derive(Debug, Serialize, Deserialize)]
struct Row {
    id: i64,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(flatten)]
    rest: BTreeMap<String, Any>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Shape {
    Dot,
    Line(f32),
    Box { w: u128, h: i8 },
}

/// Nests as deep as its bytes say.
#[derive(Debug, Serialize, Deserialize)]
struct Tree(Vec<Self>);

pub(crate) fn payload(bytes: &[u8]) {
    as_type::<Any>(bytes);
    as_type::<Row>(bytes);
    as_type::<Option<Row>>(bytes);
    as_type::<Vec<Shape>>(bytes);
    as_type::<Tree>(bytes);
    as_type::<(char, [u16; 2], Box<[u8]>, ())>(bytes);
}

/// What opens is no longer than it may be, and opens again when it is compressed again.
pub(crate) fn packed(bytes: &[u8]) {
    let Ok(plain) = Payload::Lz4(bytes).open() else {
        return;
    };
    assert!(plain.len() <= 8 << 20 && plain.len() <= 255 * bytes.len());
    if let Some(again) = compress(&plain) {
        assert_eq!(Payload::Lz4(&again).open().expect("what was packed"), plain);
    }
}

/// What decodes, encodes, and that decodes to the same. Compared as bytes, since NaN is not itself.
fn as_type<T: Serialize + DeserializeOwned + std::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = decode::<T>(bytes) else {
        return;
    };
    let once = encode(&value, usize::MAX).expect("what was decoded encodes");
    let again: T = decode(&once).unwrap_or_else(|e| panic!("{e}: {value:?} as {once:02x?}"));
    let twice = encode(&again, usize::MAX).expect("what was decoded encodes");
    assert_eq!(once, twice, "{value:?} {again:?}");
    let _ = nothing(&value);
}
