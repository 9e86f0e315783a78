#[larder::cached("f", ttl = "0s")]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
