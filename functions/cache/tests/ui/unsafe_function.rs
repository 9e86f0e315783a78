#[larder::cached("f", ttl = "60s")]
async unsafe fn f(n: u8) -> u8 {
    n
}

fn main() {}
