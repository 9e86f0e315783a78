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
        self.server_with(folder, name, until, "")
    }

    /// A memcached that takes only clients with a certificate of this authority.
    fn strict_server(&self, folder: &Path) -> Memcached {
        let authority = self.file(folder);
        let more = format!(",ssl_verify_mode=2,ssl_ca_cert={authority}");
        self.server_with(folder, "localhost", 2100, &more)
    }

    fn server_with(&self, folder: &Path, name: &str, until: i32, more: &str) -> Memcached {
        let (chain, secret) = self.certificate(folder, name, until);
        let files = format!("ssl_chain_cert={chain},ssl_key={secret}{more}");
        Memcached::start_with(&["-Z", "-o", &files])
    }

    /// The files of a certificate for `name` and of its key.
    fn certificate(&self, folder: &Path, name: &str, until: i32) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        // With the authority's own name it would be one that signs itself.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let written = |end: &str, pem: String| {
            let path = folder.join(format!("{name}.{end}"));
            std::fs::write(&path, pem).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let chain = written("pem", certificate.pem());
        (chain, written("key", key.serialize_pem()))
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
    for (what, name, until, believed, text) in [
        (
            "wrong authority",
            "localhost",
            2100,
            false,
            "invalid peer certificate",
        ),
        (
            "wrong name",
            "cache.example",
            2100,
            true,
            "not valid for name",
        ),
        ("expired", "localhost", 2000, true, "expired"),
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
            let expected = Outcome::Miss(Fill::Failed(CacheFailure::Tls));
            assert_eq!(outcome(&cache).await, expected, "{what}");
        }
        let error = cache.invalidate(&key("tls", 1)).await.unwrap_err();
        assert!(error.to_string().contains(text), "{what}: {error}");
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

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_one_or_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let server = authority.strict_server(folder.path());
    let ca = authority.file(folder.path());
    for protocol in ["classic", "meta"] {
        let none = over_tls(&server, &ca, protocol, "5000");
        let expected = Outcome::Miss(Fill::Failed(CacheFailure::Tls));
        assert_eq!(outcome(&none).await, expected, "{protocol}");
        let error = none.invalidate(&key("tls", 1)).await.unwrap_err();
        assert!(
            error.to_string().contains("CACHE_CLIENT_CERT_FILE"),
            "{error}"
        );

        let (chain, secret) = authority.certificate(folder.path(), "client", 2100);
        let url = format!(
            "memcached+tls://localhost:{}?protocol={protocol}",
            server.port()
        );
        let cache = cache(&[
            ("CACHE_URL", &url),
            ("CACHE_CA_FILE", &ca),
            ("CACHE_CLIENT_CERT_FILE", &chain),
            ("CACHE_CLIENT_KEY_FILE", &secret),
            ("CACHE_NAMESPACE", protocol),
            ("CACHE_BUDGET_MS", "5000"),
        ]);
        let first = outcome(&cache).await;
        let ping = cache.ping().await;
        assert_eq!(first, Outcome::Miss(Fill::Stored), "{protocol}: {ping:?}");
        assert_eq!(outcome(&cache).await, Outcome::Hit, "{protocol}");
        let shown = cache.configuration().to_string();
        assert!(shown.contains(&chain) && shown.contains(&secret), "{shown}");
    }
}
