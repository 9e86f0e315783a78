#[larder::cached("f", ttl = "60s", key = (a, b), skip(b))]
async fn f(a: u8, b: u8) -> u8 {
    a + b
}

fn main() {}
