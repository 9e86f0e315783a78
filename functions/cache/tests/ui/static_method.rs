struct Users;

impl Users {
    #[larder::cached("f", ttl = "60s")]
    pub async fn f(n: u8) -> u8 {
        n
    }

    pub fn g() -> impl Iterator<Item = u8> {
        std::iter::once(1)
    }
}

fn main() {}
