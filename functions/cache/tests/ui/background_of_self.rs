struct Db;

impl Db {
    #[larder::cached(
        "name",
        ttl = "60s",
        stale_while_revalidate = "30s",
        background_refresh = true,
        skip(self)
    )]
    pub async fn name(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
