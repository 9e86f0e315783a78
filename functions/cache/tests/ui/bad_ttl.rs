#[larder::cached("f", ttl = "1 minute")]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
