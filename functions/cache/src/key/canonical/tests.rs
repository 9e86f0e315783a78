use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::*;

fn bytes<T: Serialize>(value: T) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&value, &mut out).unwrap();
    out
}

#[derive(Serialize)]
struct Ab {
    a: u8,
    b: u8,
}

#[derive(Serialize)]
struct Ba {
    b: u8,
    a: u8,
}

#[derive(Serialize)]
enum Shape {
    None,
    Dot,
    Line(u8),
    Box { w: u8 },
}

#[test]
fn arguments_that_differ_encode_differently() {
    let encodings = [
        bytes(("a", "bc")),
        bytes(("ab", "c")),
        bytes(("abc",)),
        bytes(("abc", "")),
        bytes("abc"),
        bytes(None::<&str>),
        bytes(Some("None")),
        bytes("None"),
        bytes("null"),
        bytes(Shape::None),
        bytes(()),
        bytes(Some(())),
        bytes(Some(None::<u8>)),
        bytes(false),
        bytes(0),
        bytes(1),
        bytes(-1),
        bytes("1"),
        bytes('2'),
        bytes(1.0),
        bytes(0.0),
        bytes(-0.0),
        bytes(f64::NAN),
        bytes(u128::MAX),
        bytes(i128::MIN),
        bytes([1, 2]),
        bytes([12]),
        bytes([[1], [2]]),
        bytes(([1, 2], [(); 0])),
        bytes([0; 0]),
        bytes(Shape::Dot),
        bytes(Shape::Line(1)),
        bytes(Shape::Box { w: 1 }),
        bytes(Ab { a: 1, b: 2 }),
        bytes(Ab { a: 2, b: 1 }),
        bytes("]"),
        bytes("}"),
    ];
    let mut seen = HashSet::new();
    for (place, encoding) in encodings.iter().enumerate() {
        assert!(
            seen.insert(encoding),
            "number {place} stood there before: {encoding:?}"
        );
    }
}

#[test]
fn no_encoding_is_a_prefix_of_another() {
    let values = [
        bytes("a"),
        bytes("ab"),
        bytes(("a",)),
        bytes([1, 2, 3]),
        bytes([1]),
        bytes(Some(1)),
        bytes(1),
    ];
    for (i, a) in values.iter().enumerate() {
        for (j, b) in values.iter().enumerate() {
            assert!(i == j || !b.starts_with(a), "{a:?} is a prefix of {b:?}");
        }
    }
}

#[test]
fn the_same_value_encodes_the_same_whatever_holds_it() {
    assert_eq!(bytes(7_u8), bytes(7_i64));
    assert_eq!(bytes(0.5_f32), bytes(0.5_f64));
    assert_eq!(bytes("x"), bytes(String::from("x")));
    assert_eq!(bytes(Box::new("x")), bytes("x"));
    assert_eq!(bytes(Ab { a: 1, b: 2 }), bytes(Ba { b: 2, a: 1 }));
    assert_eq!(bytes(vec![1, 2]), bytes([1, 2]));
    assert_eq!(bytes(f64::NAN), bytes(-f64::NAN));
}

#[test]
fn maps_are_sorted() {
    let sorted: BTreeMap<_, _> = (0..100).map(|i| (i, i * i)).collect();
    for _ in 0..10 {
        let hashed: HashMap<_, _> = sorted.clone().into_iter().collect();
        assert_eq!(bytes(&hashed), bytes(&sorted));
    }
}

#[test]
fn sets_are_sorted_wherever_they_are() {
    #[derive(Serialize)]
    #[serde(transparent)]
    struct Tags(HashSet<String>);
    #[derive(Serialize)]
    struct Filter {
        tags: Tags,
        ids: Option<HashSet<(u8, i64)>>,
        #[serde(flatten)]
        rest: BTreeMap<String, HashSet<u8>>,
    }
    let filter = || Filter {
        tags: Tags((0..20).map(|n| n.to_string()).collect()),
        ids: Some((0..20).map(|n| (n, -1)).collect()),
        rest: [("a".to_owned(), (0..20).collect())].into(),
    };
    let once = bytes(filter());
    for _ in 0..20 {
        assert_eq!(bytes(filter()), once);
    }
    let sorted: std::collections::BTreeSet<i8> = (-5..5).collect();
    let hashed: HashSet<i8> = sorted.iter().copied().collect();
    assert_eq!(bytes(&sorted), bytes(&hashed));
    // The order of a sequence counts.
    assert_ne!(bytes(vec![1, 2]), bytes(vec![2, 1]));
    assert_ne!(
        bytes(std::collections::VecDeque::from([1, 2])),
        bytes([2, 1])
    );
}

#[test]
fn bytes_are_one_length_and_themselves() {
    let long = vec![7_u8; 1000];
    assert_eq!(bytes(&long).len(), 1009);
    assert_eq!(bytes(&long), bytes(&long[..]));
    assert_eq!(bytes(&long), bytes(bytes::Bytes::from(long.clone())));
    assert_eq!(bytes(&long), bytes(Box::<[u8]>::from(&long[..])));
    assert_eq!(bytes(&long), bytes(std::borrow::Cow::from(&long[..])));
    assert_ne!(bytes(b"abc".to_vec()), bytes("abc"));
    assert_ne!(bytes(Vec::<u8>::new()), bytes(Vec::<u16>::new()));
}

/// What serde_json::Number becomes when some crate of the build asks for `arbitrary_precision`.
struct Disguised(&'static str);

impl Serialize for Disguised {
    fn serialize<S: ser::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut s = s.serialize_struct(JSON_NUMBER, 1)?;
        ser::SerializeStruct::serialize_field(&mut s, JSON_NUMBER, self.0)?;
        ser::SerializeStruct::end(s)
    }
}

#[test]
fn a_json_number_encodes_by_its_value_under_every_feature_of_serde_json() {
    assert_eq!(bytes(Disguised("5")), bytes(serde_json::json!(5)));
    assert_eq!(bytes(Disguised("-5")), bytes(serde_json::json!(-5)));
    assert_eq!(bytes(Disguised("2.5")), bytes(serde_json::json!(2.5)));
    assert_eq!(
        bytes([Disguised("1"), Disguised("2")]),
        bytes(serde_json::json!([1, 2]))
    );
    for (text, number) in [
        ("0.0", 0.0),
        ("-0.0", -0.0),
        ("0.1", 0.1),
        ("100.0", 1e2),
        ("0.00001", 1e-5),
        ("1e-6", 1e-6),
        ("1.25e-7", 1.25e-7),
        ("1000000000000000.0", 1e15),
        ("1e+16", 1e16),
        ("1e+300", 1e300),
        ("1.7976931348623157e+308", f64::MAX),
        ("5e-324", 5e-324),
    ] {
        assert_eq!(serde_json::json!(number).to_string(), text);
        assert_eq!(bytes(Disguised(text)), bytes(number), "{text}");
    }
}

#[test]
fn numbers_that_differ_encode_differently_under_arbitrary_precision() {
    let texts = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "1.0",
        "1.00",
        "1e0",
        "1e+0",
        "1E0",
        "10e-1",
        "1.1",
        "1.10",
        "100000000000000000000000000000",
        "100000000000000000000000000001",
        "1e29",
        "1e+29",
        "-100000000000000000000000000000",
        "-100000000000000000000000000001",
        "340282366920938463463374607431768211455",
        "340282366920938463463374607431768211456",
        "340282366920938463463374607431768211457",
        "0.1",
        "0.10000000000000000001",
        "1e400",
        "1e401",
        "-1e400",
        "1e-400",
        "1e-401",
    ];
    let encodings: HashSet<_> = texts.iter().map(|text| bytes(Disguised(text))).collect();
    assert_eq!(encodings.len(), texts.len());
    for text in texts {
        assert_ne!(bytes(Disguised(text)), bytes(text), "the text {text}");
    }
}

#[test]
fn too_deep_a_value_is_refused_and_not_followed() {
    #[derive(Serialize)]
    struct Onion(Option<Box<Self>>);
    let mut onion = Onion(None);
    for _ in 0..1000 {
        onion = Onion(Some(Box::new(onion)));
    }
    assert_eq!(encode(&onion, &mut Vec::new()), Err(KeyError::TooDeep));
}

#[test]
fn an_argument_that_refuses_is_named() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: ser::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(ser::Error::custom("closed socket"))
        }
    }
    let error = encode(&Refuses, &mut Vec::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an argument cannot be serialised: closed socket"
    );
}

#[test]
fn a_tuple_written_by_its_elements_is_that_tuple() {
    let written = |write: fn(&mut Tuple<'_>) -> Result<(), KeyError>| {
        let mut out = Vec::new();
        tuple(write, &mut out).unwrap();
        out
    };
    assert_eq!(written(|_| Ok(())), bytes(()));
    assert_eq!(written(|one| one.element(&7)), bytes((7,)));
    let nested = written(|outer| {
        outer.element("a")?;
        outer.tuple(|inner| {
            inner.element(&Some("b"))?;
            inner.element(&[1, 2])
        })?;
        outer.tuple(|_| Ok(()))
    });
    assert_eq!(nested, bytes(("a", (Some("b"), [1, 2]), ())));
}
