trait Load {
    #[larder::cached("f", ttl = "60s", skip(self))]
    async fn f(&self, n: u8) -> u8;
}

fn main() {}
