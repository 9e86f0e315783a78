#[larder::cached("total", ttl = "60s", tags("tenant:{tenant}", ""))]
async fn total(tenant: u32) -> u64 {
    tenant.into()
}

fn main() {}
