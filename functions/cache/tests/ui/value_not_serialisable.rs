struct Report;

#[larder::cached("f", ttl = "60s")]
async fn f(n: u8) -> Option<Report> {
    let _ = n;
    Some(Report)
}

fn main() {}
