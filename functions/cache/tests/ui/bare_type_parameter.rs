#[larder::cached("f", ttl = "60s", key = n)]
async fn f<T: Default>(n: u8) -> T {
    let _ = n;
    T::default()
}

fn main() {}
