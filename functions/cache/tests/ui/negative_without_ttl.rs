#[larder::cached("name", ttl = "60s", negative = |_| true)]
async fn name(_id: u64) -> Result<String, String> {
    Err("no such user".to_owned())
}

fn main() {}
