#[larder::cached("f", ttl = 60)]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
