#[larder::cached("f", ttl = "60s", key = n)]
async fn f<T: Default>(n: u8) -> Option<T> {
    let _ = n;
    Some(T::default())
}

fn main() {}
