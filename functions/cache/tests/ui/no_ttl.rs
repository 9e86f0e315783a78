#[larder::cached("f")]
async fn f(n: u8) -> u8 {
    n
}

fn main() {}
