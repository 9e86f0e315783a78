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

/// As a table has it.
trait Row {
    const TABLE: &'static str;
}

impl Row for User {
    const TABLE: &'static str = "user";
}

impl Row for Meters {
    const TABLE: &'static str = "meters";
}

/// The functions whose keys are the same in every build.
mod stable {
    #[larder::cached("stable-free", ttl = "60s", version = 2)]
    pub(super) async fn free(id: u64, name: &str) -> u64 {
        id + name.len() as u64
    }

    #[larder::cached("stable-generic", ttl = "60s", key = id, types = T::TABLE)]
    pub(super) async fn generic<T: super::Row, const N: usize>(id: u64) -> usize {
        T::TABLE.len() * N + id as usize
    }

    pub(super) struct Shelf<T>(pub(super) T);

    impl<T: super::Row> Shelf<T> {
        #[larder::cached("stable-method", ttl = "60s", skip(self), types = (T::TABLE, "shelf"))]
        pub(super) async fn take(&self, id: u64) -> u64 {
            let _ = &self.0;
            id
        }
    }
}

macro_rules! golden {
    (
        $($name:literal: $arguments:expr => $digest:literal,)*
        functions: $($function:literal: $key:expr => $its_digest:literal,)*
    ) => {
        /// For each: a name, its key as computed here, and the digest that it must have.
        pub(super) fn keys() -> Vec<(&'static str, Key, &'static str)> {
            vec![
                $(($name, Key::new("golden", &$arguments).expect($name), $digest),)*
                $(($function, $key.expect($function), $its_digest),)*
            ]
        }
    };
}

golden! {
    "nothing": () => "30bee061d03f26ffc8610527e45c9282ae5fe2af7471de4e13348c52c02c8fd7",
    "an empty text": ("",) => "e8ea2b9f2a82851156561450b7cd9fa730979b6642ce01d35b51b68440a1edda",
    "a text": ("user",) => "d89f462b8f889488a993ab7cfd6e634a673e3f8f327d2dc8911be93ef6d904b6",
    "two texts": ("a", "bc") => "5de24030005fc061f8ecdcdafd69a2b7c104cd24fcb30ce5f3f250e2eafee85c",
    "the same letters elsewhere": ("ab", "c") => "0c7458759ffe897286d90a3e816db4ed046b7f1801d6aa7cb1a497549fa8af4e",
    "unicode": ("ñandú ☕ 👩‍🚀",) => "ff1e0993c9a6429378e1ea9de44b054609f145776c369489e7b28bc55fa85c74",
    "unicode, composed otherwise": ("n\u{303}andu\u{301}",) => "04fe4c3bfed7a4af7d9efed773674bde91ed447b4ed90594871ab1356185f924",
    "commands": ("\r\nset victim 0 0 5\r\nPWNED\r\n\0",) => "9e611b49c679a880671b6e44c68fb49d48b39ef580b8537440b3221bbca15630",
    "70 kB": ("x".repeat(70_000),) => "e8a4e167d17d03358981de2327240462ea7142cb4432da4fd39663415ebc644c",
    "zero": (0_u8,) => "df813645f8d621e28dc26882dcfac24366b66b05c93d102a36e735770f4d15cc",
    "an integer": (42_i32,) => "e8625183656ddf6f773b11c6e17b6bfe96805d54bd736d73fee2a2a84d72041f",
    "a negative one": (-42_i64,) => "2d0912b703503e5db5226f2a3e3d60591f3820dbcf7423a7cd0611bf5dfc8c1b",
    "the largest": (u128::MAX,) => "859b5c3120b22582a7ed34cd7c7b85621d532f82d0b0581af4ba82830d8fd119",
    "the smallest": (i128::MIN,) => "604e688e61166797391c31117b02086da9b6262c23bbdcbde541fd780f0338d9",
    "a float": (1.5_f64,) => "fbcd7e37cd6d9c8258af84e2bb011853fd4c40e7959125a4a8571eba46ec53dc",
    "minus zero": (-0.0_f64,) => "6c9db2bbc6c1e29840310103453f9fe98bd30642a31706b3492f01cfd7658c03",
    "no number": (f64::NAN,) => "a18d772525914d667506af8d11cc3d961bfaa21bf691150eec1791d378518cfe",
    "infinity": (f32::NEG_INFINITY,) => "6bb96360c843ca462d0b4e0331e5ab469e0377d25cc727f168ea291e0a213a65",
    "truths": (true, false) => "04c843664b4f991d9c782d6c2f173a88214e01c3abca73539be4e98b762ef11e",
    "a character": ('☕',) => "b9316496052c83419d63123555e656f8cfc82ab081260f625a328dbafce88d34",
    "None": (None::<u8>,) => "fd84712e7b23c19efcd781a9253a70006b972aeaf6e61d0e34a8553467ddb23f",
    "Some of None": (Some(None::<u8>),) => "fda83d89d2524c0b26fc8e0099e12abb3e793e854fe90953b299aa881661e5fa",
    "bytes as a list": (vec![1_u8, 2, 3],) => "946270e5f67570bcdcb4953a8ecea1ff3567e5c398093afa435bb2ed037d83a2",
    "nested lists": (vec![vec![], vec![1], vec![1, 2]],) => "ba3389f0f7e2095e18d1e40487787b281bfda6ac2c377d6831dd6796545820d9",
    "a map": (BTreeMap::from([("b", 2), ("a", 1), ("c", 3)]),) => "aea2825a9d489c66fe58d77d0f5d931824d3dfaef4d3c3ada2148220595267c9",
    "the same map unsorted": (hash_map([("c", 3), ("b", 2), ("a", 1)]),) => "aea2825a9d489c66fe58d77d0f5d931824d3dfaef4d3c3ada2148220595267c9",
    "a map with numbers as keys": (hash_map([(10, "x"), (9, "y"), (-1, "z")]),) => "1b37d71d3b4a235f7b2cb7210dc527fdb217d26f6fc2463df64e31b02b594525",
    "a struct": (user(None),) => "57b3d7eb84f6b51a47a17d91869baad681a8eb1f02cbfaba63ff327f405b071e",
    "a struct in a struct": (user(Some(Box::new(user(None)))), Meters(2.5)) => "b59fef1fee57e38c2859c02f30a4590b59614bb74b7da31b7a55a40763a316dd",
    "enums": (Order::Newest, Order::By("name"), Order::Near { lat: 1.0, lon: -2.0 }, Order::Between(1, 2)) => "bfbdeb5938213092d63266414ad4fd28fad841fc81eb1b71f73d6ba1c362815f",
    "JSON": (json!({"z": 1, "a": [null, true, "x"], "m": {"k": 2.5, "b": -3}}),) => "b990c96c4aa5db54af6aa0ea1dbd840924a90ab1028b0c0ad29d1cbe81dac31d",
    "the same JSON in another order": (json!({"m": {"b": -3, "k": 2.5}, "a": [null, true, "x"], "z": 1}),) => "b990c96c4aa5db54af6aa0ea1dbd840924a90ab1028b0c0ad29d1cbe81dac31d",
    "JSON numbers": (json!([0, 18_446_744_073_709_551_615_u64, -1, 0.1, 1e300]),) => "36991571f173aaeb5c51745e8cd4250878b862e28ea377d24f98eccd8eae5d1e",
    "seven arguments": (1, "2", 3.0, '4', [5], Some(6), ()) => "6f3260ce6dc02754d10466ea26e4fbd643744d68f254ae6d91231dff445516a4",
    "a set": (std::collections::HashSet::from(["b", "a", "c"]),) => "c2462a750441d3834f0dba6864833fb8bbd9a904f8f39e145f941f29a6896235",
    "the same set sorted": (std::collections::BTreeSet::from(["c", "a", "b"]),) => "c2462a750441d3834f0dba6864833fb8bbd9a904f8f39e145f941f29a6896235",
    "bytes": (b"abc".to_vec(),) => "34c1cb7aaa7af8ae47ad36cde5ee3dcb24406cd8056855f8be2154d35e606ebe",
    functions:
    "a free function": stable::free::key(7, "a") => "c179e9f84fad338ecd91440e3565401d7e01bf8f2f7762a9ac14c09b2f97b2bd",
    "a generic one with a label": stable::generic::key::<User, 2>(7) => "d18a494d9cad661d67ad316091e5e7c37eca6cb05cb18c89e0b3d7feba4bf363",
    "the generic one with another label": stable::generic::key::<Meters, 2>(7) => "11a42e6d6f5f0970be92a4bc2902054884a380c22ffdaca598457bcd1565cf58",
    "the generic one with another constant": stable::generic::key::<User, 3>(7) => "84121e3591c7e1fba1dccaea3836bc395757bc9900140fe1b69d22cbf5ca15ba",
    "a method with labels": stable::Shelf(user(None)).take_key(7) => "f548938a36c99e5b2e83aa9aa1c4ef53e2ee0c44bcfa3f13ef727f18f1759246",
    "the method with other labels": stable::Shelf(Meters(1.0)).take_key(7) => "080707734d847cbe6ef6f8ee3068185b30a6d3e36b1be52be3219465dcee6732",
}
