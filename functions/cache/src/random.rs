//! Random bits from the operating system: tokens of leases, ids of entries, parts of generations.

pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    getrandom::fill(&mut out)
        .expect("the operating system has random bits: it has no error to give after boot");
    out
}

pub(crate) fn u64() -> u64 {
    u64::from_ne_bytes(bytes())
}
