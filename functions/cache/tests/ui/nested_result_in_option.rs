#[larder::cached("f", ttl = "60s")]
async fn f(n: u8) -> Option<Box<std::result::Result<u8, String>>> {
    Some(Box::new(Ok(n)))
}

fn main() {}
