#[larder::cached("f", ttl = "60s")]
fn f(n: u8) -> u8 {
    n
}

fn main() {}
