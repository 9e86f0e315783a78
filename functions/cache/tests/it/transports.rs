//! TLS as ElastiCache requires it, and Unix sockets. A server that cannot be trusted is a miss
//! within the budget, with a reason.

use std::{path::Path, time::Duration};

use larder::{Cache, CacheFailure, Fill, Outcome};
use larder_testing::{Memcached, Noise};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::support::{MINUTE, Origin, cache, key};

/// A certificate authority for one test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// A memcached with a certificate for `name` that expires in the year `until`.
    fn server(&self, folder: &Path, name: &str, until: i32) -> Memcached {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let (chain, secret) = (folder.join("chain.pem"), folder.join("key.pem"));
        std::fs::write(&chain, certificate.pem()).unwrap();
        std::fs::write(&secret, key.serialize_pem()).unwrap();
        let files = format!(
            "ssl_chain_cert={},ssl_key={}",
            chain.display(),
            secret.display()
        );
        Memcached::start_with(&["-Z", "-o", &files])
    }

    fn file(&self, folder: &Path) -> String {
        let path = folder.join("ca.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn over_tls(server: &Memcached, ca: &str, protocol: &str, budget: &str) -> Cache {
    let url = format!(
        "memcached+tls://localhost:{}?protocol={protocol}",
        server.port()
    );
    cache(&[
        ("CACHE_URL", &url),
        ("CACHE_CA_FILE", ca),
        ("CACHE_NAMESPACE", protocol),
        ("CACHE_BUDGET_MS", budget),
    ])
}

async fn outcome(cache: &Cache) -> Outcome {
    let origin = Origin::default();
    let fetched = cache
        .get_or_fetch(&key("tls", 1), &MINUTE, || origin.call())
        .await;
    fetched.unwrap().outcome()
}

#[tokio::test]
async fn a_server_whose_certificate_is_believed_caches() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = authority.server(folder.path(), "localhost", 2100);
    for protocol in ["classic", "meta"] {
        let cache = over_tls(&server, &authority.file(folder.path()), protocol, "5000");
        assert_eq!(
            outcome(&cache).await,
            Outcome::Miss(Fill::Stored),
            "{protocol}"
        );
        assert_eq!(outcome(&cache).await, Outcome::Hit, "{protocol}");
        let large = "x".repeat(500_000);
        cache.put(&key("large", 1), &MINUTE, &large).await.unwrap();
        assert_eq!(
            *cache
                .peek::<String>(&key("large", 1), &MINUTE)
                .await
                .unwrap(),
            large
        );
        cache.invalidate(&key("tls", 1)).await.unwrap();
        assert_eq!(
            outcome(&cache).await,
            Outcome::Miss(Fill::Stored),
            "{protocol}"
        );
    }
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_believed_is_a_miss() {
    let authority = Authority::new();
    for (what, name, until, believed) in [
        ("wrong authority", "localhost", 2100, false),
        ("wrong name", "cache.example", 2100, true),
        ("expired", "localhost", 2000, true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let server = authority.server(folder.path(), name, until);
        let trusted = if believed {
            &authority
        } else {
            &Authority::new()
        };
        let cache = over_tls(&server, &trusted.file(folder.path()), "auto", "5000");
        for _ in 0..2 {
            let expected = Outcome::Miss(Fill::Failed(CacheFailure::Refused));
            assert_eq!(outcome(&cache).await, expected, "{what}");
        }
    }
}

#[tokio::test]
async fn tls_to_a_plain_server_and_plain_to_a_tls_server_are_misses_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, noise) = (Authority::new(), Noise::start());
    let (plain, secure) = (
        Memcached::start(),
        authority.server(folder.path(), "localhost", 2100),
    );
    let caches = [
        over_tls(&plain, &authority.file(folder.path()), "auto", "50"),
        cache(&[("CACHE_URL", &secure.url())]),
    ];
    for cache in caches {
        for _ in 0..3 {
            let begun = std::time::Instant::now();
            assert!(matches!(
                outcome(&cache).await,
                Outcome::Miss(Fill::Failed(_))
            ));
            let took = begun.elapsed();
            assert!(took < noise.forgive(Duration::from_millis(75)), "{took:?}");
        }
    }
}

#[tokio::test]
async fn a_unix_socket_caches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memcached.sock");
    let path = path.to_str().unwrap();
    let _server = Memcached::start_at(path);
    for protocol in ["classic", "meta"] {
        let url = format!("memcached+unix://{path}?protocol={protocol}");
        let settings = [
            ("CACHE_URL", url.as_str()),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "10000"),
        ];
        let cache = cache(&settings);
        assert_eq!(
            outcome(&cache).await,
            Outcome::Miss(Fill::Stored),
            "{protocol}"
        );
        assert_eq!(outcome(&cache).await, Outcome::Hit, "{protocol}");
    }
}
