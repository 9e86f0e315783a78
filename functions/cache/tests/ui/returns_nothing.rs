#[larder::cached("f", ttl = "60s")]
async fn f(n: u8) {
    let _ = n;
}

fn main() {}
