struct Report;
struct App;
trait Reports {
    async fn yearly(&self) -> Result<Report, String>;
}

impl App {
    #[larder::cached("f", ttl = "60s", skip(self))]
    pub async fn report(&self, n: u8) -> Result<Report, String> {
        let _ = n;
        Ok(Report)
    }
}

impl Reports for App {
    #[larder::cached("g", ttl = "60s", skip(self))]
    async fn yearly(&self) -> Result<Report, String> {
        Ok(Report)
    }
}

fn main() {}
