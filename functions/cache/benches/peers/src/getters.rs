//! Clients of memcached that get bytes.

use async_memcached::AsciiProtocol as _;
use memcache::exp::Memcache;
use tokio::net::TcpStream;

use crate::{Result, turns};

pub(crate) async fn memcache_async(port: u16, key: &str) -> Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut client = memcache_async::ascii::Protocol::new(stream);
    turns(async || something(client.get(key).await?.len())).await
}

pub(crate) async fn async_memcached(port: u16, key: &str) -> Result<()> {
    let mut client = async_memcached::Client::new(format!("tcp://127.0.0.1:{port}")).await?;
    turns(async || {
        let value = client.get(key).await?.and_then(|value| value.data);
        something(value.map_or(0, |data| data.len()))
    })
    .await
}

pub(crate) async fn memcache_exp(port: u16, key: &str) -> Result<()> {
    let client = Memcache::builder()
        .connect_async([format!("127.0.0.1:{port}")])
        .await?;
    turns(async || {
        let value: Option<Vec<u8>> = client.get(key).await?;
        something(value.map_or(0, |value| value.len()))
    })
    .await
}

fn something(length: usize) -> Result<()> {
    if length == 0 {
        return Err("nothing stands there".into());
    }
    Ok(())
}
