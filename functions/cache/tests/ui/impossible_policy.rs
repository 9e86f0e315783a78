#[larder::cached("f", ttl = "60s", negative_ttl = "2m")]
async fn f(n: u8) -> Option<u8> {
    Some(n)
}

fn main() {}
