//! Signed packages that somebody changed: a board refuses each of them, and says which it is.

use std::collections::BTreeMap;

use minisign::KeyPair;

use super::{
    container,
    tests::package,
    write::{archive, sums},
    *,
};
use crate::trust::{PublicKey, Signature, Trust};

type Entries = Vec<(String, Vec<u8>)>;

/// What is changed, by whom, and words of what a board says to it.
struct Case {
    what: &'static str,
    bytes: Vec<u8>,
    said: &'static str,
}

/// A key that boards trust, another that they do not, and a good package signed with the first.
struct Maker {
    key: KeyPair,
    other: KeyPair,
    good: Vec<u8>,
    cases: Vec<Case>,
}

fn sign(key: &KeyPair, bytes: &[u8]) -> Signature {
    let signed = minisign::sign(None, &key.sk, bytes, Some("test"), None).unwrap();
    Signature::adopt(&signed.to_string()).unwrap()
}

fn position(bytes: &[u8], of: &[u8]) -> usize {
    bytes.windows(of.len()).position(|w| w == of).unwrap()
}

fn entry<'a>(entries: &'a mut Entries, name: &str) -> &'a mut Vec<u8> {
    let found = entries.iter_mut().find(|(other, _)| other == name);
    &mut found.unwrap().1
}

/// Sums that fit, before the signature.
fn mend(entries: &mut Entries) {
    let right = sums(
        entries
            .iter()
            .filter(|(name, _)| !name.starts_with(SUMS))
            .map(|(name, content)| (&**name, &**content)),
    );
    *entry(entries, SUMS) = right.into_bytes();
}

fn replace(content: &mut Vec<u8>, from: &str, to: &str) {
    let text = String::from_utf8(content.clone()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    *content = text.replacen(from, to, 1).into_bytes();
}

impl Maker {
    fn new() -> Self {
        let pair = || KeyPair::generate_unencrypted_keypair().unwrap();
        let (key, other) = (pair(), pair());
        let unsigned = package().to_bytes().unwrap();
        let signature = sign(&key, &signed_part(&unsigned).unwrap());
        Self {
            key,
            other,
            good: with_signature(&unsigned, &signature).unwrap(),
            cases: Vec::new(),
        }
    }

    fn entries(&self) -> Entries {
        let entries = container::read(&self.good).unwrap();
        let own = |(name, content): (&str, &[u8])| (name.to_owned(), content.to_vec());
        entries.into_iter().map(own).collect()
    }

    fn add(&mut self, what: &'static str, said: &'static str, bytes: Vec<u8>) {
        self.cases.push(Case { what, bytes, said });
    }

    /// The archive written again with other entries.
    fn repacked(
        &mut self,
        what: &'static str,
        said: &'static str,
        edit: impl FnOnce(&mut Entries),
    ) {
        let mut entries = self.entries();
        edit(&mut entries);
        self.add(what, said, archive(&entries).unwrap());
    }

    /// The same, and its maker signs it: what signing does not make good.
    fn signed(&mut self, what: &'static str, said: &'static str, edit: impl FnOnce(&mut Entries)) {
        let mut entries = self.entries();
        edit(&mut entries);
        let signature = sign(&self.key, entry(&mut entries, SUMS));
        *entry(&mut entries, SIGNATURE) = signature.text().into();
        self.add(what, said, archive(&entries).unwrap());
    }

    /// Bytes of the archive changed where they are.
    fn patched(&mut self, what: &'static str, said: &'static str, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = self.good.clone();
        edit(&mut bytes);
        assert!(bytes != self.good, "{what} changes nothing");
        self.add(what, said, bytes);
    }

    fn contents(&mut self) {
        for (name, said) in [
            (
                MANIFEST,
                "manifest.json in the package was damaged on the way",
            ),
            (
                BACKBONE,
                "backbone.onnx in the package was damaged on the way",
            ),
            (
                SAMPLES,
                "samples.postcard in the package was damaged on the way",
            ),
            (HEAD, "head.postcard in the package was damaged on the way"),
            (
                "self-test/0.png",
                "self-test/0.png in the package was damaged on the way",
            ),
            (
                EXPECTED,
                "expected.json in the package was damaged on the way",
            ),
            (SUMS, "SHA256SUMS in the package was damaged on the way"),
        ] {
            let content = entry(&mut self.entries(), name).clone();
            self.patched("a bit of an entry", said, |bytes| {
                let start = position(bytes, &content);
                bytes[start + content.len() / 2] ^= 4;
            });
        }
        for (name, said) in [
            (MANIFEST, "manifest.json does not match SHA256SUMS"),
            (BACKBONE, "backbone.onnx does not match SHA256SUMS"),
            (SAMPLES, "samples.postcard does not match SHA256SUMS"),
            (HEAD, "head.postcard does not match SHA256SUMS"),
            (
                "self-test/0.png",
                "self-test/0.png does not match SHA256SUMS",
            ),
            (EXPECTED, "expected.json does not match SHA256SUMS"),
        ] {
            self.signed(
                "a bit of an entry, sums as before, signed anew",
                said,
                |entries| {
                    let content = entry(entries, name);
                    let middle = content.len() / 2;
                    content[middle] ^= 4;
                },
            );
        }
        self.repacked(
            "a sum of an entry",
            "signed it: the package was edited",
            |entries| {
                let at = position(entry(entries, SUMS), b"  backbone") - 1;
                entry(entries, SUMS)[at] ^= 1;
            },
        );
        self.repacked(
            "two entries have each other's content",
            "samples.postcard does not match SHA256SUMS",
            |entries| {
                let first = entry(entries, SAMPLES).clone();
                let second = std::mem::replace(entry(entries, HEAD), first);
                *entry(entries, SAMPLES) = second;
            },
        );
    }

    fn entries_come_and_go(&mut self) {
        for (name, said) in [
            (MANIFEST, "manifest.json is gone"),
            (BACKBONE, "backbone.onnx is gone"),
            (SAMPLES, "samples.postcard is gone"),
            (HEAD, "head.postcard is gone"),
            ("self-test/0.png", "self-test/0.png is gone"),
            (EXPECTED, "expected.json is gone"),
        ] {
            self.signed("an entry taken out, signed anew", said, |entries| {
                entries.retain(|(other, _)| other != name);
            });
        }
        self.repacked("no sums", "has no SHA256SUMS", |entries| {
            entries.retain(|(name, _)| name != SUMS);
        });
        self.repacked("no signature", "the package is not signed", |entries| {
            entries.pop();
        });
        self.repacked("the head taken out, sums mended", "made anew", |entries| {
            entries.retain(|(name, _)| name != HEAD);
            mend(entries);
        });
        self.signed("an entry more", "does not list extra.bin", |entries| {
            entries.insert(2, ("extra.bin".into(), vec![1]));
        });
        let stranger = "an entry \"extra.bin\" that does not belong in one";
        self.signed(
            "an entry more, sums mended and signed",
            stranger,
            |entries| {
                entries.insert(2, ("extra.bin".into(), vec![1]));
                mend(entries);
            },
        );
        self.signed(
            "an entry renamed",
            "does not list backbone.onn2",
            |entries| {
                entries[1].0 = "backbone.onn2".into();
            },
        );
        self.repacked(
            "two entries change places",
            "line 2 is not where",
            |entries| {
                entries.swap(1, 2);
            },
        );
        self.repacked(
            "the sums come first",
            "other entries follow it",
            |entries| {
                let at = entries.len() - 2;
                entries[..=at].rotate_right(1);
            },
        );
        self.repacked("the signature first", "not signed", |entries| {
            entries.rotate_right(1);
        });
        self.repacked("an entry twice", "has backbone.onnx twice", |entries| {
            let again = entries[1].clone();
            entries.insert(2, again);
        });
        self.repacked(
            "another backbone before the real one",
            "has backbone.onnx twice",
            |entries| {
                entries.insert(1, (BACKBONE.into(), vec![9]));
            },
        );
        self.repacked(
            "two signatures",
            "has SHA256SUMS.minisig twice",
            |entries| {
                let again = entries.last().unwrap().clone();
                entries.push(again);
            },
        );
        for (name, said) in [
            ("/etc/passwd", "an entry \"/etc/passwd\", which is no name"),
            ("../x", "an entry \"../x\", which is no name"),
            ("self-test/", "an entry \"self-test/\", which is no name"),
            ("a\\b", "an entry \"a\\\\b\", which is no name"),
        ] {
            self.signed("a name that leads elsewhere", said, |entries| {
                entries.insert(1, (name.into(), Vec::new()));
                mend(entries);
            });
        }
        self.signed("a hundred entries", "more than 64 entries", |entries| {
            for number in 0..100 {
                entries.insert(1, (format!("self-test/{number}.jpg"), Vec::new()));
            }
            mend(entries);
        });
    }

    fn sums(&mut self) {
        let gone = "SHA256SUMS lists";
        self.repacked("a line more in the sums", gone, |entries| {
            let line = format!("{}  more.bin\n", file::sha256(b""));
            entry(entries, SUMS).extend(line.into_bytes());
        });
        self.repacked("a line twice", "line 7 is one too many", |entries| {
            let sums = entry(entries, SUMS);
            let first = position(sums, b"\n") + 1;
            let line = sums[..first].to_vec();
            sums.extend(line);
        });
        self.repacked("a line less", "does not list head.postcard", |entries| {
            let sums = String::from_utf8(entry(entries, SUMS).clone()).unwrap();
            let lines = sums.lines().filter(|line| !line.ends_with(HEAD));
            let lines: String = lines.map(|line| format!("{line}\n")).collect();
            *entry(entries, SUMS) = lines.into_bytes();
        });
        self.repacked("lines in another order", "line 1 is not where", |entries| {
            let sums = String::from_utf8(entry(entries, SUMS).clone()).unwrap();
            let lines: String = sums.lines().rev().map(|line| format!("{line}\n")).collect();
            *entry(entries, SUMS) = lines.into_bytes();
        });
        self.repacked(
            "lines as on Windows",
            "its lines end as on Windows",
            |entries| {
                let sums = String::from_utf8(entry(entries, SUMS).clone()).unwrap();
                *entry(entries, SUMS) = sums.replace('\n', "\r\n").into_bytes();
            },
        );
        self.repacked("a line of words", "line 7 is no sum and name", |entries| {
            entry(entries, SUMS).extend(b"# trust me\n");
        });
        self.repacked(
            "no last end of line",
            "its last line has no end",
            |entries| {
                entry(entries, SUMS).pop();
            },
        );
        self.repacked("sums that are no text", "invalid utf-8", |entries| {
            entry(entries, SUMS)[0] = 0xff;
        });
        self.repacked("empty sums", "does not list manifest.json", |entries| {
            entry(entries, SUMS).clear();
        });
        self.repacked("endless sums", "it is longer than any", |entries| {
            *entry(entries, SUMS) = vec![b'a'; 1 << 20];
        });
    }

    fn signatures(&mut self) {
        let other = sign(&self.other, entry(&mut self.entries(), SUMS));
        self.repacked(
            "signed by somebody else",
            "which is not trusted here",
            |entries| {
                *entry(entries, SIGNATURE) = other.text().into();
            },
        );
        // Somebody else changes it and says it is the trusted key's.
        let key = self.key.pk.keynum().to_vec();
        let mut thief = self.other.sk.to_bytes();
        thief[54..62].copy_from_slice(&key);
        let thief = KeyPair {
            pk: self.other.pk.clone(),
            sk: minisign::SecretKey::from_bytes(&thief).unwrap(),
        };
        let anew = "its SHA256SUMS was made anew, or its signature is another package's";
        self.repacked(
            "signed by somebody with the trusted key's id",
            anew,
            |entries| {
                *entry(entries, BACKBONE) = vec![9, 9];
                mend(entries);
                *entry(entries, SIGNATURE) = sign(&thief, entry(entries, SUMS)).text().into();
            },
        );
        let mut newer = package();
        newer.classes[0] = "lorry".into();
        let newer = newer.to_bytes().unwrap();
        let of_newer = sign(&self.key, &signed_part(&newer).unwrap());
        let bytes = with_signature(&package().to_bytes().unwrap(), &of_newer).unwrap();
        self.add("the signature of another package of its maker", anew, bytes);
        self.repacked("manifest edited, sums mended", anew, |entries| {
            replace(entry(entries, MANIFEST), "truck", "lorry");
            mend(entries);
        });
        self.repacked("a higher version, sums mended", anew, |entries| {
            replace(entry(entries, MANIFEST), "\"version\": 3", "\"version\": 9");
            mend(entries);
        });
        self.repacked(
            "a higher version",
            "manifest.json does not match",
            |entries| {
                replace(entry(entries, MANIFEST), "\"version\": 3", "\"version\": 9");
            },
        );
        let form = "it is no signature of minisign's";
        self.repacked("an empty signature", form, |entries| {
            entry(entries, SIGNATURE).clear();
        });
        self.repacked("a signature of random bytes", form, |entries| {
            *entry(entries, SIGNATURE) = (0..300).map(|i| (i * 89 % 251) as u8).collect();
        });
        self.repacked("a long signature", "longer than any signature", |entries| {
            entry(entries, SIGNATURE).extend([b'a'; 5000]);
        });
        self.repacked("a line after the signature", form, |entries| {
            entry(entries, SIGNATURE).extend(b"more\n");
        });
        let ours = "it is not written as `lastlayer sign` writes it";
        self.repacked("another comment that nothing signs", ours, |entries| {
            replace(entry(entries, SIGNATURE), "signature of", "certified:");
        });
        self.repacked("another comment that is signed", anew, |entries| {
            replace(
                entry(entries, SIGNATURE),
                "trusted comment: test",
                "trusted comment: rest",
            );
        });
        self.repacked("a signature in the old way", "old way (-l)", |entries| {
            // The algorithm's two letters are in the first characters of the base64.
            replace(entry(entries, SIGNATURE), "\nRU", "\nRW");
        });
        self.repacked("another algorithm", form, |entries| {
            replace(entry(entries, SIGNATURE), "\nRU", "\nRV");
        });
    }

    fn archives(&mut self) {
        let good = self.good.clone();
        let at = |what: &[u8]| position(&good, what);
        let backbone = at(BACKBONE.as_bytes()) - 30;
        let listed = at(b"PK\x01\x02");
        let end = at(b"PK\x05\x06");
        let cut = "or it is cut short";
        for (what, length) in [
            ("nothing", 0),
            ("cut within the first header", 20),
            (
                "cut within the backbone",
                backbone + 30 + BACKBONE.len() + 2,
            ),
            ("cut between two entries", backbone),
            ("cut before the list", listed),
            ("cut within the list", listed + 60),
            ("without its last byte", good.len() - 1),
        ] {
            self.add(what, cut, good[..length].to_vec());
        }
        self.patched("a byte more", "after the package's end (1 bytes)", |b| {
            b.push(0)
        });
        self.patched(
            "another archive behind it",
            "after the package's end",
            |bytes| {
                let again = bytes.clone();
                bytes.extend(again);
            },
        );
        self.patched("something before it", "does not begin like one", |bytes| {
            bytes.splice(..0, *b"#!/bin/sh\n");
        });
        self.patched("a comment", "has a comment", |bytes| {
            let length = bytes.len();
            bytes[length - 2] = 5;
            bytes.extend(b"hello");
        });
        self.patched("something between entries and list", "no entry", |bytes| {
            bytes.splice(listed..listed, *b"hidden");
        });
        self.patched("something between two entries", "no entry", |bytes| {
            bytes.splice(backbone..backbone, *b"hidden");
        });
        self.patched(
            "another name in the list",
            "does not fit backbone.onnx",
            |bytes| {
                let name = listed + position(&bytes[listed..], BACKBONE.as_bytes());
                bytes[name] = b'h';
            },
        );
        self.patched(
            "another name at the entry",
            "does not fit hackbone.onnx",
            |bytes| {
                bytes[backbone + 30] = b'h';
            },
        );
        self.patched(
            "the list points elsewhere",
            "does not fit head.postcard",
            |bytes| {
                let name = listed + position(&bytes[listed..], HEAD.as_bytes());
                bytes[name - 4] ^= 1;
            },
        );
        self.patched("an entry is only in the list", "does not fit", |bytes| {
            let first = bytes[listed..listed + 46 + MANIFEST.len()].to_vec();
            bytes.splice(end..end, first);
        });
        self.patched(
            "an entry is not in the list",
            "does not fit manifest.json",
            |bytes| {
                bytes.drain(listed..listed + 46 + MANIFEST.len());
            },
        );
        self.patched("another count at the end", "end does not fit", |bytes| {
            bytes[end + 8] += 1
        });
        self.patched(
            "an entry marked as encrypted",
            "backbone.onnx in the package is encrypted",
            |b| {
                b[backbone + 6] |= 1;
            },
        );
        self.patched(
            "an entry with sizes behind it",
            "written as a stream",
            |bytes| {
                bytes[backbone + 6] |= 8;
            },
        );
        self.patched("an entry with unknown flags", "has flags", |b| {
            b[backbone + 7] |= 8
        });
        self.patched("an entry marked as compressed", "is compressed", |b| {
            b[backbone + 8] = 8
        });
        self.patched("another date", "a date or version", |b| {
            b[backbone + 12] ^= 1
        });
        self.patched("an extra field", "an extra field", |b| b[backbone + 28] = 4);
        self.patched("two sizes", "two sizes", |b| b[backbone + 22] ^= 1);
        self.patched(
            "a longer size",
            "backbone.onnx in the package was damaged",
            |bytes| {
                bytes[backbone + 18] += 1;
                bytes[backbone + 22] += 1;
            },
        );
        self.patched(
            "a size beyond the end",
            "ends within backbone.onnx",
            |bytes| {
                bytes[backbone + 21] = 0xff;
                bytes[backbone + 25] = 0xff;
            },
        );
        self.patched(
            "a name without an end",
            "the beginning of an entry",
            |bytes| {
                bytes[backbone + 27] = 0xff;
            },
        );
        // What another tool makes of the same entries, with right sums and signature.
        let entries = self.entries();
        for (what, said, method) in [
            (
                "packed by another tool",
                "does not fit manifest.json",
                zip::CompressionMethod::Stored,
            ),
            (
                "packed and compressed by another tool",
                "is compressed",
                zip::CompressionMethod::Deflated,
            ),
        ] {
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(method)
                .unix_permissions(0o600);
            let mut other = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            for (name, content) in &entries {
                other.start_file(name.as_str(), options).unwrap();
                std::io::Write::write_all(&mut other, content).unwrap();
            }
            self.add(what, said, other.finish().unwrap().into_inner());
        }
    }

    fn values(&mut self) {
        self.signed("a newer format, signed", "is of format 4", |entries| {
            replace(entry(entries, MANIFEST), "\"format\": 3", "\"format\": 4");
            mend(entries);
        });
        self.signed(
            "a manifest with a key too many, signed",
            "unknown field",
            |entries| {
                replace(
                    entry(entries, MANIFEST),
                    "\"version\"",
                    "\"x\": 1, \"version\"",
                );
                mend(entries);
            },
        );
        self.signed("no backbone, signed", "has no backbone.onnx", |entries| {
            entries.remove(1);
            mend(entries);
        });
        self.signed(
            "samples that are none, signed",
            "samples.postcard in the package is",
            |entries| {
                *entry(entries, SAMPLES) = vec![0xff; 9];
                mend(entries);
            },
        );
    }
}

fn trust(keys: &[&KeyPair]) -> Trust {
    let parse = |pair: &&KeyPair| PublicKey::parse(&pair.pk.to_box().unwrap().to_string());
    keys.iter().map(|pair| parse(pair).unwrap()).collect()
}

#[test]
fn a_signed_package_is_read_and_says_whose_it_is() {
    let maker = Maker::new();
    let read = Package::from_bytes_trusted(&maker.good, &trust(&[&maker.other, &maker.key]));
    let id = trust(&[&maker.key]).keys().next();
    assert_eq!(read.unwrap().signed_by, id);
    // Without asking, both are read; signed twice is signed once.
    assert_eq!(Package::from_bytes(&maker.good).unwrap().signed_by, id);
    let unsigned = package().to_bytes().unwrap();
    assert_eq!(Package::from_bytes(&unsigned).unwrap().signed_by, None);
    let again = sign(&maker.other, &signed_part(&maker.good).unwrap());
    let again = with_signature(&maker.good, &again).unwrap();
    assert!(Package::from_bytes_trusted(&again, &trust(&[&maker.other])).is_ok());
    assert!(Package::from_bytes_trusted(&again, &trust(&[&maker.key])).is_err());
    // Signed or not, it says the same.
    let read = Package::from_bytes(&maker.good).unwrap();
    assert_eq!(read.to_bytes().unwrap(), unsigned);
}

#[test]
fn tampered_packages_are_refused_each_with_its_own_message() {
    let mut maker = Maker::new();
    maker.contents();
    maker.entries_come_and_go();
    maker.sums();
    maker.signatures();
    maker.archives();
    maker.values();
    let trust = trust(&[&maker.key]);
    let mut wrong = Vec::new();
    let mut messages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for Case { what, bytes, said } in &maker.cases {
        let message = match Package::from_bytes_trusted(bytes, &trust) {
            Ok(_) => panic!("{what}: it is read"),
            Err(error) => error.to_string(),
        };
        let plain = !message.contains('\n') && message.len() < 300;
        if !plain || !message.contains(said) {
            wrong.push(format!("{what}: {said:?} is not in {message:?}"));
        }
        messages.entry(message).or_default().push(*what);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (cases, messages) = (maker.cases.len(), messages.len());
    println!("{cases} tampered packages refused, with {messages} messages");
    assert!(cases >= 40 && messages >= 40);
}

/// No bit of a signed package is without a meaning.
#[test]
fn every_changed_bit_is_refused() {
    let maker = Maker::new();
    let trust = trust(&[&maker.key]);
    let mut bytes = maker.good.clone();
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(
            Package::from_bytes_trusted(&bytes, &trust).is_err(),
            "bit {bit}"
        );
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
    for length in 0..bytes.len() {
        assert!(Package::from_bytes_trusted(&bytes[..length], &trust).is_err());
    }
    assert!(Package::from_bytes_trusted(&bytes, &trust).is_ok());
}
