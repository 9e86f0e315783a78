fn policy(id: u64) -> larder::Policy {
    larder::Policy::ttl(std::time::Duration::from_secs(id))
}

#[larder::cached("user", policy = policy(id), many = users)]
async fn user(id: u64) -> u64 {
    id
}

async fn users(ids: Vec<u64>) -> Vec<(u64, u64)> {
    ids.into_iter().map(|id| (id, id)).collect()
}

fn main() {}
