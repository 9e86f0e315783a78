type Load<T> = Result<T, String>;

struct S;

impl S {
    #[larder::cached("f", ttl = "60s", skip(self))]
    pub async fn f(&self, n: u8) -> Load<u8> {
        Ok(n)
    }
}

fn main() {}
