//! Keys that must never change: a release that computed others would find none of its entries.

use std::collections::{BTreeMap, HashMap};

use larder::Key;
use serde::Serialize;
use serde_json::json;

#[derive(Serialize)]
struct User {
    id: u64,
    name: &'static str,
    tags: Vec<&'static str>,
    address: Option<Box<Self>>,
}

#[derive(Serialize)]
struct Meters(f64);

#[derive(Serialize)]
enum Order {
    Newest,
    By(&'static str),
    Near { lat: f64, lon: f64 },
    Between(u8, u8),
}

fn user(address: Option<Box<User>>) -> User {
    User {
        id: 7,
        name: "ñandú",
        tags: vec!["a", "b"],
        address,
    }
}

fn hash_map<K: std::hash::Hash + Eq, V, const N: usize>(pairs: [(K, V); N]) -> HashMap<K, V> {
    HashMap::from(pairs)
}

macro_rules! golden {
    ($($name:literal: $arguments:expr => $digest:literal,)*) => {
        /// For each: a name, its key as computed here, and the digest that it must have.
        pub(super) fn keys() -> Vec<(&'static str, Key, &'static str)> {
            vec![$(($name, Key::new("golden", &$arguments).expect($name), $digest)),*]
        }
    };
}

golden! {
    "nothing": () => "d563d9f76c714d8353fe381859d0d6ef54f8ae4722adf5ddf016c2e2e03c3226",
    "an empty text": ("",) => "7c76fb92c0488c8ab408d0969602a8594d4ab0a0709b250ac8d422857c9264e8",
    "a text": ("user",) => "a99ed902c7b1fb45c900c6e0c60134e6cacd7f0d9ff9bba01f1374483548aa02",
    "two texts": ("a", "bc") => "087a006933d52800d4312be8366d2492083f0b67b07a5c57e28778d72e6aea29",
    "the same letters elsewhere": ("ab", "c") => "523f5b44292d54fa3aee1246f42076083875077e8c2cae8dc46951e1cf40dab2",
    "unicode": ("ñandú ☕ 👩‍🚀",) => "a2fdb2b02dc82d714ad04002d29c9d16ef49d955a71d98318ce3a874c8b006ae",
    "unicode, composed otherwise": ("n\u{303}andu\u{301}",) => "78bab9a29796962226c8b6ff8df82f70da2d3a432cae7ccf544951cf59287dcc",
    "commands": ("\r\nset victim 0 0 5\r\nPWNED\r\n\0",) => "a1517d6a40c8fdf08caba3f5f3a4bd6ef32c169bf705504ae3a19be1a420e4ae",
    "70 kB": ("x".repeat(70_000),) => "2322dcc1c759a03e5f8eda43f4372a577613a839339d1120117e62fe1ac2656c",
    "zero": (0_u8,) => "86ed02badd0a7b1ac6e25b2eaa0c2b4c975b13f74422b3cfff219d3cc2a6bd80",
    "an integer": (42_i32,) => "9e16b8f4ef1e7cc4382d5d0979c89e11a4c67f08a6eb57d914ca49374fd88aab",
    "a negative one": (-42_i64,) => "52bc22caa4d1ec3c1e65c62a9564e71ac942d930f8fc799588bc62939fafcac8",
    "the largest": (u128::MAX,) => "2b11a38cd4dd3d0cbb8211a4a4c7960b0c0575964fdd10ae2029a56dd743db3e",
    "the smallest": (i128::MIN,) => "fb50d614b3408e7c8061ca74463d230a78602e5981e0b052ee0cc1bbe480b6e1",
    "a float": (1.5_f64,) => "9120c3c42105a5a3d7ca05671432a6714b67242037a6f6cfef26320871236486",
    "minus zero": (-0.0_f64,) => "a7722bcd988ee85177d3e2f0f6a42935805e5d27caffbb89238b0d1a77c2be4f",
    "no number": (f64::NAN,) => "5e250e2256def71c048e3f3276165520d69594c84350fe4b93d2914d6b4be65c",
    "infinity": (f32::NEG_INFINITY,) => "b814f31d8b07b51e15ca7747ab26716d6cbfb7c1649cd1243e75e7225867bdc6",
    "truths": (true, false) => "af9c2c92154591197f20106c1fbc8d8505b876adf9328d4997381acc3d41c411",
    "a character": ('☕',) => "525152cb4ffc4af119031488c21835707479eec8ca67e54084e7a8d0e682d78f",
    "None": (None::<u8>,) => "b10f2ede5b683de6ffd79ec3ab0192666a39d370821165952ba4c3326cdcf8ff",
    "Some of None": (Some(None::<u8>),) => "5f21063f5d4a71b0d52f95d8aae44f34c5f6b3bb9e4624c462a59b13fd9c3dc9",
    "bytes as a list": (vec![1_u8, 2, 3],) => "0195d9566aa4c44d3fbb4709c13688972d43938ce1abf82bc0aee5807afc935a",
    "nested lists": (vec![vec![], vec![1], vec![1, 2]],) => "fdc0b92a4a22ef8fa87e0cdaae87df376cefa6b29ad4d0920d93e0e43b75ebb3",
    "a map": (BTreeMap::from([("b", 2), ("a", 1), ("c", 3)]),) => "e826ae72bec85fce3c2e65c382fa4b688f2a795533b670352f23d96437b76f88",
    "the same map unsorted": (hash_map([("c", 3), ("b", 2), ("a", 1)]),) => "e826ae72bec85fce3c2e65c382fa4b688f2a795533b670352f23d96437b76f88",
    "a map with numbers as keys": (hash_map([(10, "x"), (9, "y"), (-1, "z")]),) => "88351046596db0bc7f34a6d3da1eb671bd56cf1dadd7741b1369129ff36fb747",
    "a struct": (user(None),) => "046f77e349e354822a8e0ae02233c6fcd8d80124400e7278282fc97d9ae9b2a3",
    "a struct in a struct": (user(Some(Box::new(user(None)))), Meters(2.5)) => "bfc4895b1e1ee9eef3f63fe1aea676ffbfdacad61ae5f2db8d99141869165e70",
    "enums": (Order::Newest, Order::By("name"), Order::Near { lat: 1.0, lon: -2.0 }, Order::Between(1, 2)) => "08ffc7c80ba52028a066e6a17d87b657e779dc04d560335da41b6b4b45d7c783",
    "JSON": (json!({"z": 1, "a": [null, true, "x"], "m": {"k": 2.5, "b": -3}}),) => "f1def57ea836de96dc59f20b1ea00d15db872db5d2bb25c72e7799b2b300fc65",
    "the same JSON in another order": (json!({"m": {"b": -3, "k": 2.5}, "a": [null, true, "x"], "z": 1}),) => "f1def57ea836de96dc59f20b1ea00d15db872db5d2bb25c72e7799b2b300fc65",
    "JSON numbers": (json!([0, 18_446_744_073_709_551_615_u64, -1, 0.1, 1e300]),) => "70791e475513dc55ab89b7daee232cfe35842fd840aacced3950d0f4cb54a871",
    "seven arguments": (1, "2", 3.0, '4', [5], Some(6), ()) => "a1240a35240b9d00f21e9fe75fd09bb64a072ec280ed2381cb8a77823664446e",
}
