#[larder::cached("total", ttl = "60s", tags("tenants:{tenants}"))]
async fn total(tenants: Vec<u32>) -> u32 {
    tenants.len() as u32
}

fn main() {}
