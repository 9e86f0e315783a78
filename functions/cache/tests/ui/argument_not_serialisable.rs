struct Database;

#[larder::cached("f", ttl = "60s")]
async fn f(n: u8, db: &Database) -> u8 {
    let _ = db;
    n
}

fn main() {}
