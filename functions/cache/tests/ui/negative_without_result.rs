#[larder::cached("name", ttl = "60s", negative_ttl = "5s", negative = |_| true)]
async fn name(_id: u64) -> Option<String> {
    None
}

fn main() {}
