//! Downloads from an address, over TLS only.

use std::{io::Read, time::Duration};

use ureq::tls::{RootCerts, TlsConfig};

use super::{FetchError, Progress, Watcher};
use crate::pretrained::cache::MAX_FILE;

/// The whole answer of `address`, at most `MAX_FILE` bytes, from a server that the roots of
/// Mozilla's list (part of this program) vouch for.
pub fn fetch(address: &str, watcher: Watcher<'_>) -> Result<Vec<u8>, FetchError> {
    download(&agent(RootCerts::WebPki), address, watcher)
}

/// Https only, with these roots of trust.
fn agent(roots: RootCerts) -> ureq::Agent {
    ureq::Agent::config_builder()
        .https_only(true)
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(1800)))
        .build()
        .into()
}

fn download(
    agent: &ureq::Agent,
    address: &str,
    watcher: Watcher<'_>,
) -> Result<Vec<u8>, FetchError> {
    let failed = |reason: String| FetchError::Address {
        address: address.into(),
        reason,
    };
    let mut answer = agent
        .get(address)
        .call()
        .map_err(|e| failed(e.to_string()))?;
    let length = answer.body().content_length();
    watcher(Progress::Started {
        what: address,
        bytes: length,
    });
    let mut reader = answer.body_mut().with_config().limit(MAX_FILE).reader();
    let mut bytes = Vec::new();
    let mut part = [0; 64 << 10];
    let result = loop {
        match reader.read(&mut part) {
            Ok(0) => break Ok(bytes),
            Ok(count) => bytes.extend_from_slice(&part[..count]),
            Err(error) => break Err(failed(error.to_string())),
        }
        watcher(Progress::Received {
            bytes: bytes.len() as u64,
        });
    };
    watcher(Progress::Finished);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers one request over TLS; gives its certificate and address.
    fn serve(status: &str, body: &'static [u8], claimed: usize) -> (Vec<u8>, String) {
        use std::io::Write;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.unwrap())
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {claimed}\r\n\r\n");
        std::thread::spawn(move || {
            let (socket, _) = listener.accept().unwrap();
            let session = rustls::ServerConnection::new(std::sync::Arc::new(config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, socket);
            // A client that does not trust us hangs up here.
            if stream.read(&mut [0; 4096]).is_ok() {
                stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
                stream.flush().unwrap();
            }
        });
        (
            certificate.to_vec(),
            format!("https://localhost:{port}/weights"),
        )
    }

    #[test]
    fn an_https_address_is_fetched_whole_from_a_trusted_server_only() {
        let trusting = |certificate: &[u8]| {
            agent(RootCerts::new_with_certs(&[
                ureq::tls::Certificate::from_der(certificate).to_owned(),
            ]))
        };
        let (certificate, address) = serve("200 OK", b"weights", 7);
        let seen = std::cell::RefCell::new(Vec::new());
        let watch = |progress: Progress<'_>| seen.borrow_mut().push(format!("{progress:?}"));
        let bytes = download(&trusting(&certificate), &address, &watch).unwrap();
        assert_eq!(bytes, b"weights");
        assert!(seen.borrow()[0].contains("Some(7)"), "{seen:?}");

        let failure = |server: (Vec<u8>, String), agent: &ureq::Agent| {
            download(agent, &server.1, &|_| ()).unwrap_err().to_string()
        };
        let server = serve("404 Not Found", b"", 0);
        let agent_of = trusting(&server.0);
        assert!(failure(server, &agent_of).contains("404"));
        // Cut off before its end.
        let server = serve("200 OK", b"weig", 7);
        let agent_of = trusting(&server.0);
        failure(server, &agent_of);
        // Somebody else's certificate.
        failure(serve("200 OK", b"weights", 7), &agent(RootCerts::WebPki));
        assert!(download(&agent(RootCerts::WebPki), "http://localhost:9/", &|_| ()).is_err());
    }
}
