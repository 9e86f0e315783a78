struct S;

impl S {
    #[larder::cached("f", ttl = "60s")]
    async fn f(&self, n: u8) -> u8 {
        n
    }
}

fn main() {}
