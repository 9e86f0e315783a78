#[larder::cached("heavy op", ttl = "60s")]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
