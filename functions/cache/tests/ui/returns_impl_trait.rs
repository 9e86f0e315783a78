#[larder::cached("f", ttl = "60s")]
async fn f(n: u8) -> impl Iterator<Item = u8> {
    std::iter::once(n)
}

fn main() {}
