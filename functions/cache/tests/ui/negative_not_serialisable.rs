#[derive(Debug)]
struct NotFound;

#[larder::cached("name", ttl = "60s", negative_ttl = "5s", negative = |_| true)]
async fn name(_id: u64) -> Result<String, NotFound> {
    Err(NotFound)
}

fn main() {}
