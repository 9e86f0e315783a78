struct Id;

#[larder::cached("f", ttl = "60s", key = id)]
async fn f(id: &Id) -> u8 {
    let Id = id;
    1
}

fn main() {}
