#[larder::cached("f", ttl = "60s")]
async fn f<T: Default>(n: u8) -> Vec<T> {
    let _ = n;
    Vec::new()
}

fn main() {}
