use std::{collections::BTreeMap, net::IpAddr};

use serde::{Deserialize, Serialize};

use super::*;

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, WriteError> {
    super::encode(value, usize::MAX)
}

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
    assert_eq!(nothing(&None::<u8>), Some(Nothing::None));
    assert_eq!(nothing(&(None as Alias<String>)), Some(Nothing::None));
    assert_eq!(nothing(&Some(None::<u8>)), None);
    assert_eq!(nothing(&()), None);
    assert_eq!(nothing(&Vec::<u8>::new()), None);
    assert_eq!(nothing(&"None"), None);
    assert_eq!(nothing(&serde_json::json!({"a": 1})), None);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Holds<T> {
    held: T,
}

/// A value cannot be stored if a `Some` anywhere in it would be read back as `None`.
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

    let nothing: [Result<Vec<u8>, WriteError>; 12] = [
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

/// What earlier releases have stored: `Vec<u8>` as a list of numbers.
#[test]
fn bytes_that_were_written_as_numbers_are_read() {
    let numbers: Vec<u16> = (0..300).map(|n| n % 256).collect();
    let bytes: Vec<u8> = numbers.iter().map(|n| *n as u8).collect();
    let old = rmp_serde::to_vec_named(&bytes).unwrap();
    assert_eq!(old, encode(&numbers).unwrap());
    assert_eq!(decode::<Vec<u8>>(&old).unwrap(), bytes);
    assert_eq!(decode::<Box<[u8]>>(&old).unwrap()[..], bytes);
    assert_eq!(decode::<bytes::Bytes>(&old).unwrap(), bytes);
    let now = encode(&bytes).unwrap();
    assert_eq!((old.len(), now.len()), (431, 303));
    assert_eq!(decode::<Vec<u8>>(&now).unwrap(), bytes);
    assert_eq!(decode::<bytes::Bytes>(&now).unwrap(), bytes);
}

/// Within serde's own buffers, too.
#[test]
fn bytes_round_trip_wherever_they_are() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Image {
        pixels: Vec<u8>,
        more: bytes::Bytes,
        square: [u8; 3],
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Flat {
        #[serde(flatten)]
        image: Image,
        #[serde(flatten)]
        rest: BTreeMap<String, Vec<u8>>,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Image(Image),
        Bytes(Vec<u8>),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Image(Image),
    }
    fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(round::<T, T>(&value).unwrap(), value);
    }
    let image = || Image {
        pixels: vec![0, 127, 128, 255],
        more: bytes::Bytes::from_static(b"abc"),
        square: [1, 2, 3],
    };
    same(image());
    same(Flat {
        image: image(),
        rest: [("rest".to_owned(), vec![1, 2])].into(),
    });
    same(Untagged::Image(image()));
    same(Untagged::Bytes(vec![7; 300]));
    same(Tagged::Image(image()));
    same(vec![vec![1_u8], vec![]]);
    same(std::collections::VecDeque::from([1_u8, 2]));
    same(std::collections::BTreeSet::from([1_u8, 2]));
    same(std::rc::Rc::<str>::from("a").to_string());
}

/// Everything but bytes and integers of 128 bits is written as another encoder writes it.
#[test]
fn the_encoding_is_messagepack() {
    fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        let mut theirs = rmp_serde::Serializer::new(Vec::new())
            .with_struct_map()
            .with_human_readable();
        value.serialize(&mut theirs).unwrap();
        let ours = encode(&value).unwrap();
        assert_eq!(ours, theirs.into_inner(), "{value:?}");
        assert_eq!(decode::<T>(&ours).unwrap(), value);
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Unit,
        New(u8),
        Tuple(u8, String),
        Struct { a: u8, b: Option<u8> },
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unit;
    for shift in 0..64 {
        for near in [u64::MAX << shift, 1 << shift, (1 << shift) - 1] {
            same(near);
            same(near as i64);
            same((near as i64).wrapping_neg());
        }
    }
    for length in [0, 1, 15, 16, 31, 32, 255, 256, 65_535, 65_536] {
        same("x".repeat(length));
        same(vec![true; length]);
        same(
            (0..length as u32)
                .map(|n| (n, ()))
                .collect::<BTreeMap<_, _>>(),
        );
    }
    same((
        1.5_f32,
        -0.0_f64,
        'ñ',
        true,
        (),
        None::<u8>,
        Some("x".to_owned()),
    ));
    same(vec![
        Kind::Unit,
        Kind::New(7),
        Kind::Tuple(1, "a".to_owned()),
        Kind::Struct { a: 1, b: None },
    ]);
    same(Unit);
    same(std::time::Duration::from_millis(1500));
    same("127.0.0.1".parse::<IpAddr>().unwrap());
    same(std::path::PathBuf::from("/a/b"));
    same(BTreeMap::from([((1_u8, 'a'), [0_i8, -1])]));
}

#[test]
fn a_number_of_128_bits_reads_back_and_is_short_where_it_is_small() {
    for v in [
        0,
        1,
        u128::from(u64::MAX),
        u128::from(u64::MAX) + 1,
        u128::MAX,
    ] {
        assert_eq!(round::<u128, u128>(&v).unwrap(), v);
    }
    for v in [i128::MIN, i64::MIN.into(), -1, 0, i128::MAX] {
        assert_eq!(round::<i128, i128>(&v).unwrap(), v);
    }
    assert_eq!(encode(&7_u128).unwrap(), [7]);
    assert_eq!(encode(&-7_i128).unwrap(), [0xf9]);
    assert!(round::<u128, i128>(&u128::MAX).is_err());
    assert!(round::<i128, u128>(&i128::MIN).is_err());
}

/// A newtype around an `Option` of itself takes no byte a level.
#[test]
fn forged_somes_and_forged_variants_end() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Onion(Option<Box<Self>>);
    #[derive(Debug, Serialize, Deserialize)]
    enum Endless {
        A(Box<Self>),
        B,
    }
    assert!(decode::<Onion>(&[0xc0]).is_ok());
    assert!(decode::<Onion>(&[7]).is_err());
    assert!(decode::<Endless>(&[0x81, 0xa1, b'A', 0xa1, b'B']).is_ok());
    assert!(decode::<Endless>(&[0x81, 0xa1, b'A'].repeat(100_000)).is_err());
    let mut deep = Endless::B;
    for _ in 0..1000 {
        deep = Endless::A(Box::new(deep));
    }
    assert!(encode(&deep).is_err());
}

#[test]
fn an_error_names_the_place_and_quotes_no_value() {
    #[derive(Serialize)]
    struct Wrong<'a> {
        orders: BTreeMap<&'a str, [Total<'a>; 2]>,
    }
    #[derive(Serialize)]
    struct Total<'a> {
        total: &'a str,
    }
    #[derive(Debug, Deserialize)]
    struct Right {
        #[expect(dead_code, reason = "only its type counts")]
        orders: BTreeMap<String, Vec<Part>>,
    }
    #[derive(Debug, Deserialize)]
    struct Part {
        #[expect(dead_code, reason = "only its type counts")]
        total: u64,
    }
    let total = Total { total: "secret" };
    let good = Total { total: "secret" };
    let wrong = Wrong {
        orders: BTreeMap::from([("ada@example.org", [total, good])]),
    };
    let error = round::<_, Right>(&wrong).unwrap_err().to_string();
    assert_eq!(error, "a text where u64 was expected, at ….…[0].total");
    #[derive(Debug, Deserialize)]
    struct Missing {
        #[expect(dead_code, reason = "only its type counts")]
        total: String,
        #[expect(dead_code, reason = "only its type counts")]
        currency: String,
    }
    let error = round::<_, Missing>(&Total { total: "7" }).unwrap_err();
    assert_eq!(error.to_string(), "missing field `currency`");
    let error = round::<_, u8>(&300).unwrap_err();
    assert_eq!(error.to_string(), "an integer that is not u8");
}

#[test]
fn what_is_longer_than_allowed_is_given_up_on_the_way() {
    let long = vec![u64::MAX; 1000];
    assert_eq!(super::encode(&long, 9003).unwrap().len(), 9003);
    assert_eq!(super::encode(&long, 9002), Err(WriteError::TooLong(9002)));
    assert_eq!(
        super::encode(&vec![1_u8; 100], 101),
        Err(WriteError::TooLong(101))
    );
}
