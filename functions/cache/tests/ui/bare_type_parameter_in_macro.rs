macro_rules! cached {
    ($out:ty) => {
        #[larder::cached("f", ttl = "60s", key = n)]
        async fn f<T: Default>(n: u8) -> $out {
            let _ = n;
            T::default()
        }
    };
}

cached!(T);

fn main() {}
