#[larder::cached("name", ttl = "60s", background_refresh = true)]
async fn name(id: u64) -> u64 {
    id
}

fn main() {}
