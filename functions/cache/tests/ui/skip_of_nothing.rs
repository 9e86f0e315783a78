#[larder::cached("f", ttl = "60s", skip(db))]
async fn f(n: u8, database: &str) -> u8 {
    let _ = database;
    n
}

fn main() {}
