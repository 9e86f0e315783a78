#[larder::cached("f", ttl = "60s")]
async fn f(text: impl AsRef<str>) -> usize {
    text.as_ref().len()
}

fn main() {}
