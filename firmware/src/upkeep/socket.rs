//! The line to a program that runs: a Unix socket in its state folder, which only its user and root
//! can reach. One request a connection: a line of JSON there, a line of JSON back.

use std::{
    fs,
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use super::{Reply, Request};

/// Its name in the state folder.
pub const SOCKET: &str = "control.sock";
/// The longest line either way, in bytes.
const LONGEST: u64 = 16 << 20;
/// Whoever connects and says nothing is not waited for longer.
const HEARING: Duration = Duration::from_secs(5);
/// What was asked is answered after the press that is being learned.
const ANSWERING: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("lastlayerd runs but did not answer: {0}; is it stopping? Try again in a moment")]
    Silent(io::Error),
    #[error("this user may not speak to lastlayerd at {0}; use sudo")]
    Forbidden(PathBuf),
    /// In the words of the program that runs.
    #[error("{0}")]
    Refused(String),
}

/// A request, and where its answer goes.
pub type Asked = (Request, Sender<Result<Reply, String>>);

/// Listens until the program ends.
pub struct Server {
    path: PathBuf,
    pub requests: Receiver<Asked>,
}

impl Server {
    /// The state folder's lock must be held: a socket that is there was left by a killed program.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let path = folder.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let (sender, requests) = channel();
        thread::Builder::new()
            .name("upkeep".into())
            .spawn(move || {
                // A connection that fails is the other side's concern.
                for stream in listener.incoming().flatten() {
                    let _ = serve(&stream, &sender);
                }
            })?;
        Ok(Self { path, requests })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It would only be found stale by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

fn serve(stream: &UnixStream, sender: &Sender<Asked>) -> io::Result<()> {
    stream.set_read_timeout(Some(HEARING))?;
    stream.set_write_timeout(Some(HEARING))?;
    let answer = match read_line::<Request>(stream) {
        Ok(request) => {
            let (reply, answer) = channel();
            let ended = || "lastlayerd is stopping".to_owned();
            match sender.send((request, reply)) {
                Ok(()) => answer
                    .recv_timeout(ANSWERING)
                    .unwrap_or_else(|_| Err(ended())),
                Err(_) => Err(ended()),
            }
        }
        Err(error) => Err(format!("the request cannot be read: {error}")),
    };
    write_line(stream, &answer)
}

/// Asks the program that runs on this state folder; `None` where none does.
pub fn ask(folder: &Path, request: &Request) -> Option<Result<Reply, SocketError>> {
    let path = folder.join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Some(Err(SocketError::Forbidden(path)));
        }
        Err(_) => return None,
    };
    let answer = || {
        stream.set_read_timeout(Some(ANSWERING))?;
        write_line(&stream, request)?;
        read_line::<Result<Reply, String>>(&stream)
    };
    Some(match answer() {
        Ok(answer) => answer.map_err(SocketError::Refused),
        Err(error) => Err(SocketError::Silent(error)),
    })
}

fn read_line<T: serde::de::DeserializeOwned>(stream: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(stream.take(LONGEST)).read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

fn write_line(mut stream: &UnixStream, value: &impl serde::Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_answered_and_rubbish_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ask(folder.path(), &Request::Classes).is_none());
        let server = Server::start(folder.path()).unwrap();
        let path = folder.path().join(SOCKET);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let asking = thread::spawn({
            let folder = folder.path().to_owned();
            move || ask(&folder, &Request::Samples).unwrap().unwrap()
        });
        let (request, reply) = server.requests.recv().unwrap();
        assert_eq!(request, Request::Samples);
        reply.send(Ok(Reply::Samples(Vec::new()))).unwrap();
        assert_eq!(asking.join().unwrap(), Reply::Samples(Vec::new()));
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"\xff{}\n").unwrap();
        let answer: Result<Reply, String> = read_line(&stream).unwrap();
        assert!(answer.unwrap_err().contains("cannot be read"));
        drop(server);
        assert!(!path.exists() && ask(folder.path(), &Request::Classes).is_none());
    }
}
