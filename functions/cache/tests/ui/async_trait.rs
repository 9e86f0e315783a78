use std::pin::Pin;

struct S;

// What `#[async_trait]` makes of an async fn before this attribute sees it.
impl S {
    #[larder::cached("f", ttl = "60s", skip(self))]
    fn f<'a>(&'a self, n: u8) -> Pin<Box<dyn Future<Output = u8> + Send + 'a>> {
        Box::pin(async move { n })
    }
}

fn main() {}
