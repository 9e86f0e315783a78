#[larder::cached("f", ttl = "60s")]
async fn f(n: u8) -> Result<Result<u8, u8>, String> {
    Ok(Ok(n))
}

fn main() {}
