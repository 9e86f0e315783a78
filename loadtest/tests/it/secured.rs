use std::sync::Arc;

use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};

use crate::character::Character;
use crate::server::Server;
use crate::tool;

#[test]
fn a_target_behind_tls_is_asked_if_its_certificate_is_believed() {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let secret = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], secret)
        .unwrap();
    let server = Server::over_tls(Character::default(), config);
    let folder = tempfile::tempdir().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, issued.cert.pem()).unwrap();

    let preflight = |believed: bool| {
        let mut command = tool::command();
        command.args(["preflight", "--url", &server.url]);
        if believed {
            command.env("SSL_CERT_FILE", &roots);
        }
        command.output().unwrap()
    };
    let believed = preflight(true);
    assert!(believed.status.success(), "{believed:?}");
    let stranger = preflight(false);
    let stderr = String::from_utf8(stranger.stderr).unwrap();
    assert_eq!(stranger.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("cannot connect to https://localhost:"),
        "{stderr}"
    );
}
