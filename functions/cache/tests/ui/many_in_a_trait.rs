struct Shop;

trait Prices {
    async fn price(&self, article: u32) -> u32;
}

impl Prices for Shop {
    #[larder::cached("price", ttl = "60s", skip(self), many = |articles| prices(articles))]
    async fn price(&self, article: u32) -> u32 {
        article
    }
}

async fn prices(articles: Vec<u32>) -> Vec<(u32, u32)> {
    articles.into_iter().map(|a| (a, a)).collect()
}

fn main() {}
