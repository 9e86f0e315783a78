#[larder::cached("f", ttl = "60s")]
async fn f(text: &str) -> &str {
    text
}

fn main() {}
