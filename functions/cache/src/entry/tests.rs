use super::*;
use crate::{
    key::{CacheKeys, Key, Namespace, Scope},
    payload::Payload,
};

fn scope(key: &str) -> Scope {
    Scope::new(key.to_owned())
}

const GENERATION: [Generation; 2] = [
    Generation::golden([0x11; 16]),
    Generation::golden([0x22; 16]),
];

fn generations() -> Generations {
    Generations {
        namespace: GENERATION[0],
        function: GENERATION[1],
    }
}

fn entry(payload: &[u8]) -> Entry<'_> {
    entry_of(Payload::Plain(payload))
}

fn entry_of(payload: Payload<'_>) -> Entry<'_> {
    Entry {
        id: 0x0102_0304_0506_0708,
        generations: generations(),
        created: 1_700_000_000_000,
        fresh_until: 1_700_000_060_000,
        discard_at: 1_700_000_090_000,
        cost: 3_000_000,
        version: 7,
        payload,
    }
}

fn lease() -> LeaseRecord {
    LeaseRecord {
        token: Token([0x33; 16]),
        generations: generations(),
        refreshes_entry: 9,
        after: After::Nothing,
    }
}

fn freed(reason: FreedReason) -> Freed {
    Freed {
        reason,
        refreshes_entry: 9,
    }
}

const KEY: &str = "larder:user:ab";
const DIGEST: [u8; 16] = [0xaa; 16];

/// Later releases must be able to read these bytes: changing them requires another FORMAT.
#[test]
fn golden_bytes() {
    let seal = Seal::Checksum;
    let mut changed = Vec::new();
    let mut check = |record: Vec<u8>, golden: &str| {
        let record = hex::encode(record);
        changed.extend((record != golden).then_some(record));
    };
    check(entry(b"\xa2hi").write(KEY, DIGEST, &seal), GOLDEN_ENTRY);
    check(
        entry(b"\xa2hi").write(KEY, DIGEST, &Seal::signature(b"secret", None)),
        GOLDEN_SIGNED,
    );
    let packed = entry_of(Payload::Lz4(b"\xa2hi"));
    check(packed.write(KEY, DIGEST, &seal), GOLDEN_COMPRESSED);
    check(lease().write(KEY, DIGEST), GOLDEN_LEASE);
    check(
        Generation::mint(1_700_000_000_000, 0x0102).write(&scope("larder:@all"), b""),
        GOLDEN_GENERATION,
    );
    check(
        Generation::mint(1_700_000_000_000, 0x0102).write(
            &scope("larder:@fn:user"),
            &Owners(b"").claimed(7, "app::user"),
        ),
        GOLDEN_CLAIMED,
    );
    let key = Key::new("user", &(7,)).unwrap();
    let keys = CacheKeys::new(&Namespace::new("larder").unwrap(), &key);
    let left = freed(FreedReason::Left);
    check(left.write(keys.item(), keys.digest()), GOLDEN_FREED);
    for (reason, golden) in [
        (FreedReason::Failed, GOLDEN_FAILED),
        (FreedReason::NotStored, GOLDEN_NOT_STORED),
    ] {
        check(freed(reason).write(KEY, DIGEST), golden);
    }
    let after = LeaseRecord {
        after: After::Failure,
        ..lease()
    };
    check(after.write(KEY, DIGEST), GOLDEN_LEASE_AFTER_FAILURE);
    assert!(changed.is_empty(), "{changed:#?}");
}

/// The stamp of a call with two tags, whose generations are 16 bytes of 0x33 and of 0x44.
#[test]
fn the_stamp_of_a_call_with_tags_is_frozen() {
    let key = Key::new("user", &(7,)).unwrap();
    let key = key.with_tags(["tenant:7", "orders"]).unwrap();
    let keys = CacheKeys::new(&Namespace::new("larder").unwrap(), &key);
    let stamp = |tags: [Option<Generation>; 2]| {
        let tags = keys.tags().iter().zip(tags);
        GENERATION[1].with_tags(tags.map(|(tag, generation)| Some((tag, generation?))))
    };
    let [third, fourth] = [0x33, 0x44].map(|byte| Generation::golden([byte; 16]));
    let golden = u128::to_be_bytes(0x7ff86a2815d29ba7937b180f5f242cbf);
    assert_eq!(
        stamp([Some(third), Some(fourth)]),
        Some(Generation::golden(golden))
    );
    assert_ne!(
        stamp([Some(third), Some(third)]),
        Some(Generation::golden(golden))
    );
    assert_eq!(stamp([Some(third), None]), None);
    assert_eq!(GENERATION[1].with_tags([].into_iter()), Some(GENERATION[1]));
}

const GOLDEN_ENTRY: &str = "566c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0000000001020304050607081111111111111111\
    1111111111111111222222222222222222222222222222220000018bcfe568000000018bcfe65260\
    0000018bcfe6c790002dc6c00000000700000003a26869608d40158b6d1f46";
const GOLDEN_SIGNED: &str = "566c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0100000001020304050607081111111111111111\
    1111111111111111222222222222222222222222222222220000018bcfe568000000018bcfe65260\
    0000018bcfe6c790002dc6c00000000700000003a2686957014fc492cbcf900ea972a9b467ce190d\
    23816475a0fe01af95eb7d359a58e1";
const GOLDEN_COMPRESSED: &str = "566c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0200000001020304050607081111111111111111\
    1111111111111111222222222222222222222222222222220000018bcfe568000000018bcfe65260\
    0000018bcfe6c790002dc6c00000000700000003a26869da147e833762265a";
const GOLDEN_LEASE: &str = "4c6c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa3333333333333333333333333333333311111111\
    11111111111111111111111122222222222222222222222222222222000000000000000912700036\
    7e9d885d";
const GOLDEN_GENERATION: &str = "476c6402ab313d1c3f467fa2c8d6037b832ff48f0000018bcfe5680000000000000001021c93988b\
    d2a0bcd2";
const GOLDEN_CLAIMED: &str = "476c64025422e20acdce577cd5f06790ebada8ad0000018bcfe56800000000000000010200000007\
    096170703a3a7573657225211ba01b4934ee";
const GOLDEN_FREED: &str = "466c640231868c61ed1a5b476e5db734a4a9d58319da857c4403d098";
const GOLDEN_FAILED: &str =
    "466c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa010000000000000009806f009fbcd70087";
const GOLDEN_NOT_STORED: &str =
    "466c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0200000000000000090edcb00b3cfacb57";
const GOLDEN_LEASE_AFTER_FAILURE: &str = "4c6c6402aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa33333333333333333333333333333333111111111111\
    11111111111111111111222222222222222222222222222222220000000000000009023c303284a9ae43\
    26";

fn read_entry<'a>(bytes: &'a [u8], key: &str, seal: &Seal) -> Result<Entry<'a>, Unreadable> {
    match read(bytes, key, DIGEST, seal)? {
        Record::Entry(entry) => Ok(entry),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_written_reads_back() {
    for seal in [Seal::Checksum, Seal::signature(b"secret", None)] {
        for payload in [&b""[..], b"\xc0", &[7; 100_000]] {
            let bytes = entry(payload).write(KEY, DIGEST, &seal);
            assert_eq!(read_entry(&bytes, KEY, &seal).unwrap(), entry(payload));
            assert!(bytes.len() <= Entry::size(payload.len()));
            let packed = entry_of(Payload::Lz4(payload));
            let bytes = packed.write(KEY, DIGEST, &seal);
            assert_eq!(read_entry(&bytes, KEY, &seal).unwrap(), packed);
        }
    }
    let bytes = lease().write(KEY, DIGEST);
    assert!(
        matches!(read(&bytes, KEY, DIGEST, &Seal::Checksum), Ok(Record::Lease(l)) if l == lease())
    );
    for after in [After::Leaving, After::Failure] {
        let lease = LeaseRecord { after, ..lease() };
        let bytes = lease.write(KEY, DIGEST);
        let read = read(&bytes, KEY, DIGEST, &Seal::Checksum);
        assert!(matches!(read, Ok(Record::Lease(read)) if read == lease));
    }
    for reason in [FreedReason::Failed, FreedReason::NotStored] {
        let bytes = freed(reason).write(KEY, DIGEST);
        let read = read(&bytes, KEY, DIGEST, &Seal::Checksum);
        assert!(matches!(read, Ok(Record::Freed(read)) if read == freed(reason)));
    }
    let generation = Generation::mint(1, 2);
    let (long, scope, other) = ("x".repeat(300), scope("n:@all"), scope("m:@all"));
    let one = Owners(b"").claimed(1, "app::user");
    for owners in [Vec::new(), one.clone(), Owners(&one).claimed(2, &long)] {
        let record = generation.write(&scope, &owners);
        let read = Generation::read(&record, &scope);
        assert_eq!(read, Ok((generation, Owners(&owners))));
        assert!(Generation::read(&record, &other).is_err());
        for length in 0..record.len() {
            assert!(Generation::read(&record[..length], &scope).is_err());
        }
    }
}

#[test]
fn a_name_has_an_owner_for_each_version_and_forgets_the_first() {
    let mut owners = Vec::new();
    for version in 1..=6 {
        owners = Owners(&owners).claimed(version, &format!("app::v{version}"));
        assert_eq!(
            Owners(&owners).of(version).unwrap(),
            format!("app::v{version}").as_bytes()
        );
    }
    let known: Vec<_> = (0..8)
        .filter(|version| Owners(&owners).of(*version).is_some())
        .collect();
    assert_eq!(known, [3, 4, 5, 6]);
    let again = Owners(&owners).claimed(4, "app::moved");
    assert_eq!(Owners(&again).of(4), Some(&b"app::moved"[..]));
    let long = "x".repeat(300);
    let owners = Owners(&again).claimed(9, &long);
    assert_eq!(Owners(&owners).of(9), Some(Owners::mark(&long)));
    // What is cut or forged says nothing.
    for length in 0..owners.len() {
        let _ = Owners(&owners[..length]).claimed(9, "app::user");
    }
    assert_eq!(Owners(&[0, 0, 0, 1, 200, b'x']).of(1), None);
}

#[test]
fn no_changed_bit_no_cut_and_no_other_key_reads() {
    for seal in [Seal::Checksum, Seal::signature(b"secret", None)] {
        let records = [
            entry(b"\xa2hi").write(KEY, DIGEST, &seal),
            lease().write(KEY, DIGEST),
            freed(FreedReason::Left).write(KEY, DIGEST),
            freed(FreedReason::Failed).write(KEY, DIGEST),
        ];
        for record in records {
            for bit in 0..record.len() * 8 {
                let mut bytes = record.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(read(&bytes, KEY, DIGEST, &seal).is_err(), "bit {bit}");
            }
            for length in 0..record.len() {
                assert!(
                    read(&record[..length], KEY, DIGEST, &seal).is_err(),
                    "length {length}"
                );
            }
            let mut longer = record.clone();
            longer.push(0);
            assert!(read(&longer, KEY, DIGEST, &seal).is_err());
            assert_eq!(
                read(&record, KEY, [0; 16], &seal).unwrap_err(),
                Unreadable::OtherKey
            );
            assert!(read(&record, "other:user:ab", DIGEST, &seal).is_err());
        }
    }
}

#[test]
fn signing_keys_rotate_and_unsigned_entries_are_not_believed() {
    let old = Seal::signature(b"old", None);
    let rotating = Seal::signature(b"new", Some(b"old"));
    let new = Seal::signature(b"new", None);
    let by = |seal: &Seal| entry(b"\xa2hi").write(KEY, DIGEST, seal);
    let reads = |writer: &Seal, reader: &Seal| read_entry(&by(writer), KEY, reader).is_ok();
    assert!(reads(&old, &rotating) && reads(&rotating, &rotating) && reads(&rotating, &new));
    assert!(!reads(&rotating, &old) && !reads(&old, &new));
    assert!(!reads(&Seal::Checksum, &new) && !reads(&new, &Seal::Checksum));
}

#[test]
fn the_seal_does_not_print_its_key() {
    assert_eq!(
        format!("{:?}", Seal::signature(b"hunter2", None)),
        "Signature(secret)"
    );
}
