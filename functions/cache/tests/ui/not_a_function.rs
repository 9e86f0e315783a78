#[larder::cached("f", ttl = "60s")]
struct F;

fn main() {}
