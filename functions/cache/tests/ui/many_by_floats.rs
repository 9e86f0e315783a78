#[larder::cached("rounded", ttl = "60s", many = all_rounded)]
async fn rounded(n: f64) -> i64 {
    n as i64
}

async fn all_rounded(numbers: Vec<f64>) -> Vec<(f64, i64)> {
    numbers.into_iter().map(|n| (n, n as i64)).collect()
}

fn main() {}
