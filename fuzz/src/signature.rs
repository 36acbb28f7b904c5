//! Signatures: a signed package and the trusted key's file, each changed. Nothing but the very bytes
//! that were signed is ever taken, whatever became of the key's file.

use std::sync::LazyLock;

use super::{edited, package::good, part};
use lastlayer_host::signing::{NewKey, SecretKey};
use lastlayer_shared::{
    package::Package,
    trust::{PublicKey, Signature, Trust},
};

struct Signed {
    package: Vec<u8>,
    /// Where in it the signature is: text, to the end of its last line.
    signature: String,
    public: String,
    trust: Trust,
}

static SIGNED: LazyLock<Signed> = LazyLock::new(|| {
    let new = NewKey::make(None).unwrap();
    let key = SecretKey::of_new(&new).unwrap();
    let (package, _) = key.sign(&good().to_bytes().unwrap()).unwrap();
    let text = String::from_utf8_lossy(&package);
    let from = text.find("untrusted comment: ").unwrap();
    let lines: Vec<&str> = text[from..].split('\n').take(4).collect();
    let public = PublicKey::parse(&new.public).unwrap();
    Signed {
        signature: lines.join("\n") + "\n",
        trust: [public].into_iter().collect(),
        public: new.public,
        package,
    }
});

// Three parts: changes of the package, of the signature's text, and of the key's file.
pub fn run(mut data: &[u8]) {
    let signed = &*SIGNED;
    let package = edited(&signed.package, part(&mut data));
    let signature = edited(signed.signature.as_bytes(), part(&mut data));
    let public = edited(signed.public.as_bytes(), data);
    taken(&package, &signed.trust);
    let public = String::from_utf8_lossy(&public);
    if let Ok(key) = PublicKey::parse(&public) {
        taken(&package, &[key].into_iter().collect());
    }
    let signature = String::from_utf8_lossy(&signature);
    if let Ok(read) = Signature::parse(&signature) {
        assert_eq!(read.text(), signature);
    }
    if let Ok(adopted) = Signature::adopt(&signature) {
        let again = Signature::parse(adopted.text()).expect("what was adopted is ours");
        assert_eq!(again.key(), adopted.key());
    }
}

fn taken(package: &[u8], trust: &Trust) {
    if Package::from_bytes_trusted(package, trust).is_ok() {
        assert!(package == SIGNED.package, "a changed package is taken");
    }
}
