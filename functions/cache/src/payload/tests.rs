use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::*;

fn round<T: Serialize, U: DeserializeOwned>(value: &T) -> Result<U, PayloadError> {
    decode(&encode(value).unwrap())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    lo: u32,
    hi: u32,
}

/// Same field types in another order: a positional encoding would read `lo` as `hi`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reordered {
    hi: u32,
    lo: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Renamed {
    lo: u32,
    high: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Retyped {
    lo: u32,
    hi: String,
}

#[test]
fn reordered_fields_read_correctly() {
    let read: Reordered = round(&Old { lo: 1, hi: 2 }).unwrap();
    assert_eq!(read, Reordered { hi: 2, lo: 1 });
}

#[test]
fn a_renamed_or_retyped_field_does_not_read() {
    let old = Old { lo: 1, hi: 2 };
    assert!(round::<_, Renamed>(&old).is_err());
    assert!(round::<_, Retyped>(&old).is_err());
    assert!(round::<_, (u32, String)>(&(1, 2)).is_err());
    assert!(round::<_, u8>(&300).is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    CacheKeys(IpAddr),
    Text(String),
    Numbers(Vec<i64>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Rich {
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, serde_json::Value>,
    either: Vec<Either>,
    unit: (),
    float: f64,
    wide: u64,
}

#[test]
fn the_corners_of_serde_round_trip() {
    let rest = serde_json::json!({"a": null, "b": [1, -2, 2.5], "c": {"d": "ñ ☕\u{0}"}});
    let rich = Rich {
        id: i64::MIN,
        note: None,
        rest: serde_json::from_value(rest).unwrap(),
        either: vec![
            Either::CacheKeys("::1".parse().unwrap()),
            Either::Text("127".to_owned()),
            Either::Numbers(vec![i64::MAX, -1]),
        ],
        unit: (),
        float: -0.0,
        wide: u64::MAX,
    };
    let read: Rich = round(&rich).unwrap();
    assert_eq!(read, rich);
    assert!(read.float.is_sign_negative());
    let value: serde_json::Value = round(&serde_json::json!([{"k": u64::MAX}, null])).unwrap();
    assert_eq!(value, serde_json::json!([{"k": u64::MAX}, null]));
}

#[test]
fn bytes_after_a_value_and_bytes_missing_from_it_are_refused() {
    let mut bytes = encode(&"abc").unwrap();
    assert!(decode::<String>(&bytes[..bytes.len() - 1]).is_err());
    bytes.push(0xc1);
    assert!(decode::<String>(&bytes).is_err());
    assert!(decode::<()>(&[]).is_err());
}

#[test]
fn forged_lengths_and_forged_depth_are_refused_without_being_believed() {
    // array32, map32, str32 and bin32 that claim 2^32 - 1 elements; 100,000 nested arrays.
    for head in [0xdd, 0xdf, 0xdb, 0xc6] {
        assert!(decode::<Vec<u8>>(&[head, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(decode::<serde_json::Value>(&[head, 0xff, 0xff, 0xff, 0xff]).is_err());
    }
    assert!(decode::<serde_json::Value>(&vec![0x91; 100_000]).is_err());
}

#[test]
fn only_none_is_absent() {
    type Alias<T> = Option<T>;
    assert!(is_none(&None::<u8>));
    assert!(is_none(&(None as Alias<String>)));
    assert!(!is_none(&Some(None::<u8>)));
    assert!(!is_none(&()));
    assert!(!is_none(&Vec::<u8>::new()));
    assert!(!is_none(&"None"));
    assert!(!is_none(&serde_json::json!({"a": 1})));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Holds<T> {
    held: T,
}

/// A `Some` that would come back as `None` is no value that can be stored, wherever in it that is.
#[test]
fn a_some_of_nothing_is_not_written() {
    use serde_json::{Value, json};

    #[derive(Serialize)]
    struct Thin(Option<()>);
    #[derive(Serialize)]
    enum Kind {
        One(Option<()>),
        Two(u8, Option<()>),
        Three { held: Option<()> },
    }

    let nothing: [Result<Vec<u8>, PayloadError>; 12] = [
        encode(&Some(())),
        encode(&Some(None::<u8>)),
        encode(&Some(Some(()))),
        encode(&Some(Value::Null)),
        encode(&Thin(Some(()))),
        encode(&Holds {
            held: Some(Value::Null),
        }),
        encode(&vec![Some(()), None]),
        encode(&(1, Some(()))),
        encode(&BTreeMap::from([(1, Some(()))])),
        encode(&Kind::One(Some(()))),
        encode(&Kind::Two(1, Some(()))),
        encode(&Kind::Three { held: Some(()) }),
    ];
    for written in nothing {
        let error = written.unwrap_err();
        assert!(error.to_string().contains("read back as None"), "{error}");
    }
    fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(round::<T, T>(&value).unwrap(), value);
    }
    same(None::<()>);
    same(());
    same(Value::Null);
    same(json!({"a": null, "b": [null, 1]}));
    same(Some(json!([null])));
    same(Some(Some(1)));
    same(Some(Holds { held: None::<u8> }));
    same(Holds {
        held: Some(String::new()),
    });
    same(vec![Some(0), None]);
    same(Some([0_u8; 0]));
}
