#[larder::cached("f", ttl = "60s")]
async fn f((a, b): (u8, u8)) -> u8 {
    a + b
}

fn main() {}
