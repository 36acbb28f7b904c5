//! The board of the story: its program as a process of its own, and what it tells.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek},
    process::{Child, Command, Stdio},
};

use lastlayer_shared::error::plain;

use super::story::{Event, Told};

/// The most of its complaints that is read, in bytes.
const MAX_COMPLAINT: u64 = 64 << 10;

/// Why a board's run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    #[error("the board's program cannot be run: {0}")]
    Run(#[from] io::Error),
    #[error("the board's program said {0:?}, which is no event; is it another version's?")]
    NoEvent(String),
    /// It said so itself.
    #[error("the board's program failed: {0}")]
    Failed(String),
    #[error("the board refused to learn: {0}")]
    Refused(String),
}

/// A process that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// The same events, summed up.
    pub told: Told,
    /// The events as they came, one JSON object a line.
    pub log: String,
}

/// Runs `program`, which prints events, to its end. `watched` is called after every verdict. Its
/// stderr becomes part of the error; whatever goes wrong, it has ended when this returns.
pub fn run(mut program: Command, watched: impl Fn()) -> Result<Run, BoardError> {
    // A file and not a pipe: nobody has to read it while the events are read.
    let complaints = tempfile::tempfile()?;
    let mut board = Running(
        program
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(complaints.try_clone()?)
            .spawn()?,
    );
    let lines = board
        .0
        .stdout
        .take()
        .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?;
    let (mut told, mut log) = (Told::default(), String::new());
    for line in BufReader::new(lines).lines() {
        let line = line?;
        let event: Event =
            serde_json::from_str(&line).map_err(|_| BoardError::NoEvent(line.clone()))?;
        let verdict = matches!(event, Event::Verdict { .. });
        told.add(event);
        log.push_str(&line);
        log.push('\n');
        if verdict {
            watched();
        }
    }
    let status = board.0.wait()?;
    if !status.success() {
        let said = last_line(complaints)?;
        return Err(BoardError::Failed(
            said.unwrap_or_else(|| format!("it ended with {status}")),
        ));
    }
    match told.refused.first() {
        Some(reason) => Err(BoardError::Refused(reason.clone())),
        None => Ok(Run { told, log }),
    }
}

/// The last line with a word in it, without the program's own `error: `.
fn last_line(mut file: File) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_COMPLAINT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut lines = text.lines().rev().map(plain);
    let line = lines.find(|line| !line.is_empty());
    Ok(line.map(|line| line.strip_prefix("error: ").unwrap_or(&line).to_owned()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::{cell::Cell, fs, path::Path};

    const VERDICT: &str =
        r#"{"event":"verdict","photo":"test/car/1.png","class":"car","confidence":0.9,"ms":8.0}"#;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("VERDICT", VERDICT);
        command
    }

    #[test]
    fn events_are_told_and_kept() {
        let watched = Cell::new(0);
        let script = "echo \"$VERDICT\"; echo '{\"event\":\"stopped\"}'; echo \"$VERDICT\"";
        let run = run(shell(script), || watched.set(watched.get() + 1)).unwrap();
        assert_eq!((watched.get(), run.told.before.len()), (2, 2));
        assert_eq!(run.log.lines().count(), 3);
    }

    #[test]
    fn a_board_that_fails_is_one_line_with_what_it_said() {
        let error = |script: &str| run(shell(script), || ()).unwrap_err().to_string();
        assert_eq!(
            error("echo \"$VERDICT\"; echo 'error: no\tcamera' >&2; exit 1"),
            "the board's program failed: no camera"
        );
        assert!(error("exit 7").contains('7'));
        let refused = r#"echo '{"event":"refused","reason":"no class"}'"#;
        assert!(error(refused).ends_with("no class"));
        let missing = run(Command::new("/no/such/program"), || ());
        assert!(matches!(missing, Err(BoardError::Run(_))));
    }

    #[test]
    fn a_board_that_talks_nonsense_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let id = folder.path().join("id");
        let script = format!("echo $$ > {}; echo nonsense; exec sleep 600", id.display());
        let error = run(shell(&script), || ()).unwrap_err();
        assert!(matches!(error, BoardError::NoEvent(line) if line == "nonsense"));
        let id = fs::read_to_string(id).unwrap();
        // Killed and waited for: not even a zombie is left of it.
        assert!(!Path::new("/proc").join(id.trim()).exists());
    }
}
