type Load<T> = Result<T, String>;

#[larder::cached("f", ttl = "60s", key = n)]
async fn f<T: Default + serde::Serialize + serde::de::DeserializeOwned>(n: u8) -> Load<T> {
    let _ = n;
    Ok(T::default())
}

fn main() {}
