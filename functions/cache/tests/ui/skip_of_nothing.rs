#[larder::cached("f", ttl = "60s", skip(db))]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
