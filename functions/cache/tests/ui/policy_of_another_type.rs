#[larder::cached("f", policy = 60)]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
