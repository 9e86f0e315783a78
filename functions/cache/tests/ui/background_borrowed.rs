#[larder::cached(
    "name",
    ttl = "60s",
    stale_while_revalidate = "30s",
    background_refresh = true
)]
async fn name(id: &str) -> String {
    id.to_owned()
}

fn main() {}
