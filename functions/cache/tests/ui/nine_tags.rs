#[larder::cached("total", ttl = "60s", tags("1", "2", "3", "4", "5", "6", "7", "8", "9"))]
async fn total(tenant: u32) -> u64 {
    tenant.into()
}

fn main() {}
