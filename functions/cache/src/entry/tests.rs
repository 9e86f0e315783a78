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
    let check = |record: Vec<u8>, golden: &str| assert_eq!(hex::encode(record), golden);
    check(entry(b"\xa2hi").write(KEY, DIGEST, &seal), GOLDEN_ENTRY);
    check(
        entry(b"\xa2hi").write(KEY, DIGEST, &Seal::signature(b"secret", None)),
        GOLDEN_SIGNED,
    );
    let packed = entry_of(Payload::Lz4(b"\xa2hi"));
    check(packed.write(KEY, DIGEST, &seal), GOLDEN_COMPRESSED);
    check(lease().write(KEY, DIGEST), GOLDEN_LEASE);
    check(
        Generation::mint(1_700_000_000_000, 0x0102).write(&scope("larder:@all")),
        GOLDEN_GENERATION,
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
}

const GOLDEN_ENTRY: &str = "566c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0000000001020304050607081111111111111111\
    1111111111111111222222222222222222222222222222220000018bcfe568000000018bcfe65260\
    0000018bcfe6c790002dc6c00000000700000003a268694a4e31f6d1c32761";
const GOLDEN_SIGNED: &str = "566c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa0100000001020304050607081111111111111111\
    1111111111111111222222222222222222222222222222220000018bcfe568000000018bcfe65260\
    0000018bcfe6c790002dc6c00000000700000003a26869239424f78b4d0f8866ad6a3b72bd7b4294\
    e3da1f7d87367fb7347b8af87a5516";
const GOLDEN_COMPRESSED: &str = "566c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02000000010203040506070811111111\
    1111111111111111111111112222222222222222222222222222222200000\
    18bcfe568000000018bcfe652600000018bcfe6c790002dc6c00000000700000003a268699e714d685442bdae";
const GOLDEN_LEASE: &str = "4c6c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa3333333333333333333333333333333311111111\
    1111111111111111111111112222222222222222222222222222222200000000000000091f9d94be\
    46cbc491";
const GOLDEN_GENERATION: &str = "476c6401ab313d1c3f467fa2c8d6037b832ff48f0000018bcfe568000000000000000102d7fd7008\
    a2e247ed";
const GOLDEN_FAILED: &str =
    "466c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa01000000000000000984b172ece1ba8f69";
const GOLDEN_NOT_STORED: &str =
    "466c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa02000000000000000946b238dbde0e7c78";
const GOLDEN_LEASE_AFTER_FAILURE: &str = "4c6c6401aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa3333333333333333333333333333333311111111\
    11111111111111111111111122222222222222222222222222222222000000000000000902fde3daed25f9fc3d";
const GOLDEN_FREED: &str = "466c64014a3eff623806b2d614adfe1738c156b215fb851e277cf90e";

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
    assert_eq!(
        Generation::read(&generation.write(&scope("n:@all")), &scope("n:@all")),
        Ok(generation)
    );
    assert!(Generation::read(&generation.write(&scope("n:@all")), &scope("m:@all")).is_err());
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
