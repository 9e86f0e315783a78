#[larder::cached("total", ttl = "60s", key = year, tags("tenant:{tenant}"))]
async fn total(year: u16, tenant: u32) -> u64 {
    u64::from(year) * u64::from(tenant)
}

fn main() {}
