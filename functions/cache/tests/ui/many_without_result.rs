#[larder::cached("half", ttl = "60s", many = halves)]
async fn half(n: u64) -> Result<u64, String> {
    Ok(n / 2)
}

async fn halves(numbers: Vec<u64>) -> Vec<(u64, u64)> {
    numbers.into_iter().map(|n| (n, n / 2)).collect()
}

fn main() {}
