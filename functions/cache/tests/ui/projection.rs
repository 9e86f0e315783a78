#[larder::cached("f", ttl = "60s", key = n)]
async fn f<I: Iterator>(n: u8) -> I::Item {
    let _ = n;
    unreachable!()
}

fn main() {}
