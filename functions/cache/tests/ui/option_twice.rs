#[larder::cached("f", ttl = "60s", ttl = "5s")]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
