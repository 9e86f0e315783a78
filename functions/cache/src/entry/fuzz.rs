//! What must hold for any bytes under a key.

use super::*;
use crate::{clock, key::Scope};

const KEY: &str = "larder:user:ab";
const OTHER: &str = "larder:user:ac";

pub(crate) fn record(bytes: &[u8]) {
    let digest = match bytes.get(4..HEAD) {
        Some(own) => field(own, 0),
        None => [0xaa; 16],
    };
    let rotated = Seal::signature(b"secret", Some(b"older"));
    for seal in [Seal::Checksum, Seal::signature(b"secret", None), rotated] {
        let closed = seal.close(bytes.to_vec(), KEY);
        for bytes in [bytes, &finish(bytes.to_vec(), KEY), &closed] {
            check(bytes, digest, &seal);
        }
    }
    let scope = Scope::new(KEY.to_owned());
    for bytes in [bytes, &finish(bytes.to_vec(), KEY)] {
        if let Ok((generation, owners)) = Generation::read(bytes, &scope) {
            assert_eq!(generation.write(&scope, owners.0), bytes);
            let claimed = owners.claimed(7, "app::user");
            let claimed = generation.write(&scope, &claimed);
            let (_, owners) = Generation::read(&claimed, &scope).expect("a claimed name reads");
            assert_eq!(owners.of(7), Some(&b"app::user"[..]));
        }
    }
}

fn check(bytes: &[u8], digest: [u8; 16], seal: &Seal) {
    let again = match read(bytes, KEY, digest, seal) {
        Err(_) => return,
        Ok(Record::Freed(freed)) => freed.write(KEY, digest),
        Ok(Record::Lease(lease)) => lease.write(KEY, digest),
        Ok(Record::Entry(entry)) => {
            assert!(Entry::size(entry.payload.bytes().len()) >= bytes.len());
            // The clock's arithmetic must accept any times.
            let now = clock::now();
            let _ = (
                clock::until(now, entry.fresh_until),
                clock::since(now, entry.created),
            );
            let again = entry.write(KEY, digest, seal);
            let Ok(Record::Entry(same)) = read(&again, KEY, digest, seal) else {
                panic!("an entry that does not read back: {entry:?}");
            };
            assert_eq!(same, entry);
            again
        }
    };
    assert_eq!(again.len(), bytes.len());
    let mut changed = bytes.to_vec();
    let place = usize::from(bytes[HEAD - 1]) % bytes.len();
    changed[place] ^= 1;
    assert!(read(&changed, KEY, digest, seal).is_err(), "bit of {place}");
    assert!(read(bytes, OTHER, digest, seal).is_err());
    assert!(read(bytes, KEY, digest.map(|byte| !byte), seal).is_err());
    assert!(read(&bytes[..bytes.len() - 1], KEY, digest, seal).is_err());
}
