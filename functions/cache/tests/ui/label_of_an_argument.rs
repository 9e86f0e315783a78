#[larder::cached("f", ttl = "60s", key = n, types = kind)]
async fn f<T: Default + serde::Serialize>(n: u8, kind: &'static str) -> Vec<u8> {
    let _ = (T::default(), kind);
    vec![n]
}

fn main() {}
