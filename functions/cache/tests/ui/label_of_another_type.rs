#[larder::cached("f", ttl = "60s", key = n, types = 7)]
async fn f<T: Default + serde::Serialize>(n: u8) -> Vec<u8> {
    let _ = T::default();
    vec![n]
}

fn main() {}
