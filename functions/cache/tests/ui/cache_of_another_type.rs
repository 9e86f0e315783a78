#[larder::cached("f", ttl = "60s", skip(pool), cache = pool)]
async fn f(n: u8, pool: &str) -> u8 {
    let _ = pool;
    n
}

fn main() {}
