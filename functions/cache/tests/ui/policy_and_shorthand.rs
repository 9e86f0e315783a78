const P: larder::Policy = larder::Policy::ttl(std::time::Duration::from_secs(1));

#[larder::cached("f", policy = P, jitter = 5)]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
