//! Addresses of webhooks: which are ones, and how much of one may be told. A name with its password,
//! and what stands behind the host, are secrets of many servers.

use ureq::http::Uri;

/// Whether it is `http://` or `https://` with a host, and with a port that there can be where it
/// has one.
pub fn is_valid(text: &str) -> bool {
    text.parse().is_ok_and(|uri| port(&uri).is_some())
}

/// Scheme, host and port.
pub fn place(text: &str) -> String {
    let place = text.parse::<Uri>().ok().and_then(|uri| {
        let host = uri.authority()?.host();
        Some(format!("{}://{host}{}", uri.scheme_str()?, port(&uri)?))
    });
    place.unwrap_or_else(|| "the address".into())
}

/// `:8080`, or nothing where none is given. `None`: this is no address. The parser takes any text
/// for a port, and then has none.
fn port(uri: &Uri) -> Option<String> {
    let authority = uri.authority()?;
    let host = authority.host();
    let closed = host.starts_with('[') == host.ends_with(']');
    let empty = host.trim_matches(['[', ']']).is_empty();
    if !matches!(uri.scheme_str(), Some("http" | "https")) || empty || !closed {
        return None;
    }
    let whole = authority.as_str();
    let (_, place) = whole.rsplit_once('@').unwrap_or(("", whole));
    match (place.strip_prefix(host)?, authority.port_u16()) {
        ("", None) => Some(String::new()),
        (_, Some(1..)) => Some(format!(":{}", authority.port_u16()?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_a_port_that_can_be() {
        for text in [
            "http://a",
            "http://127.0.0.1:8080/x?y=z",
            "https://example.org/hook",
            "http://[::1]:65535/",
            "https://user:pw@example.org:1/",
        ] {
            assert!(is_valid(text), "{text}");
        }
        for text in [
            "",
            "a",
            "/x",
            "ftp://x",
            "http://",
            "http:///x",
            "http://a b",
            "http://\u{e4}",
            "http://127.0.0.1:99999/x",
            "http://127.0.0.1:8o/",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:/",
            "http://[::1/x",
            "http://::1]/x",
            "http://[]/x",
            "http://:80/",
            "http://user@/x",
            "http://user:pw@:80/x",
            "http://a:80:80/",
        ] {
            assert!(!is_valid(text), "{text}");
        }
    }

    #[test]
    fn what_is_told_of_one_is_no_secret() {
        let address = "https://user:pw@example.org:8443/hook?token=abc";
        assert_eq!(place(address), "https://example.org:8443");
        assert_eq!(place("http://[::1]/hook"), "http://[::1]");
        assert_eq!(place("no address"), "the address");
    }
}
