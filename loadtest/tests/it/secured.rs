use std::sync::Arc;

use rcgen::{CertificateParams, CertifiedKey, KeyPair, date_time_ymd};
use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use crate::character::Character;
use crate::server::Server;
use crate::tool;

#[test]
fn a_target_behind_tls_is_asked_if_its_certificate_is_believed() {
    let issued = issued(|_| {});
    let server = Server::over_tls(Character::default(), presenting(&issued));
    let believed = preflight(&server, Some(&issued));
    assert_eq!(believed, Ok(()));
}

#[test]
fn a_certificate_of_a_stranger_is_named_as_what_is_wrong() {
    let server = Server::over_tls(Character::default(), presenting(&issued(|_| {})));
    is_about_the_certificate(preflight(&server, None));
}

#[test]
fn a_certificate_that_has_expired_is_named_as_what_is_wrong() {
    let issued = issued(|certificate| {
        certificate.not_before = date_time_ymd(2020, 1, 1);
        certificate.not_after = date_time_ymd(2021, 1, 1);
    });
    let server = Server::over_tls(Character::default(), presenting(&issued));
    is_about_the_certificate(preflight(&server, Some(&issued)));
}

fn issued(change: impl FnOnce(&mut CertificateParams)) -> CertifiedKey<KeyPair> {
    let mut certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    change(&mut certificate);
    let signing_key = KeyPair::generate().unwrap();
    let cert = certificate.self_signed(&signing_key).unwrap();
    CertifiedKey { cert, signing_key }
}

fn presenting(issued: &CertifiedKey<KeyPair>) -> ServerConfig {
    let secret = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], secret)
        .unwrap()
}

/// Asks the server, trusting this root; the error is the tool's message.
fn preflight(server: &Server, root: Option<&CertifiedKey<KeyPair>>) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = tool::command();
    command.args(["preflight", "--url", &server.url]);
    if let Some(root) = root {
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, root.cert.pem()).unwrap();
        command.env("SSL_CERT_FILE", roots);
    }
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => Ok(()),
        code => {
            assert_eq!(code, Some(1), "{stderr}");
            Err(stderr)
        }
    }
}

/// The message must name the certificate, unlike that of a port on which nothing listens.
fn is_about_the_certificate(message: Result<(), String>) {
    let message = message.unwrap_err();
    for part in ["cannot connect to https://localhost:", "certificate"] {
        assert!(message.contains(part), "{message}");
    }
}
