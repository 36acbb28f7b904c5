use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::mpsc::{channel, sync_channel},
    thread::JoinHandle,
};

use super::*;

fn never() -> AtomicBool {
    AtomicBool::new(false)
}

fn sh(script: &str, message: &str, timeout: Duration) -> Result<(), String> {
    let command = ["sh", "-c", script].map(str::to_owned);
    run(&command, message, timeout, &never())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_command_gets_the_message_and_its_end_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("got");
    let script = format!("cat > '{}'", file.display());
    assert_eq!(sh(&script, "{\"class\":\"car\"}", LONG), Ok(()));
    assert_eq!(
        std::fs::read_to_string(&file).unwrap(),
        "{\"class\":\"car\"}"
    );
    // One that does not read is none the worse.
    assert_eq!(sh("exec <&-; exit 0", "{}", LONG), Ok(()));

    let error = sh("exit 3", "{}", LONG).unwrap_err();
    assert!(error.contains("\"sh\" ended with exit status 3"), "{error}");
    let error = sh("kill -9 $$", "{}", LONG).unwrap_err();
    assert!(error.contains("signal 9"), "{error}");
    let missing = ["no-such-program-anywhere".to_owned()];
    let error = run(&missing, "", LONG, &never()).unwrap_err();
    assert!(error.contains("there is no program"), "{error}");
    std::fs::write(&file, "#!/bin/sh\n").unwrap();
    let plain = [file.display().to_string()];
    let error = run(&plain, "", LONG, &never()).unwrap_err();
    assert!(error.contains("chmod +x"), "{error}");
}

#[test]
fn a_command_that_takes_too_long_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("child");
    let script = format!("sleep 1000 & echo $! > '{}'; wait", file.display());
    let error = sh(&script, "{}", Duration::from_secs(1)).unwrap_err();
    assert!(error.contains("after 1 s and was killed"), "{error}");
    let child = std::fs::read_to_string(&file).unwrap();
    let status = format!("/proc/{}/stat", child.trim());
    // Killed is a state of a moment: dying, then waited for by whoever adopts it, then gone.
    let start = Instant::now();
    let gone = || {
        let stat = std::fs::read_to_string(&status).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    };
    while !gone() {
        assert!(start.elapsed() < LONG, "the child is still there");
        thread::yield_now();
    }
}

#[test]
fn a_command_is_killed_when_the_program_ends() {
    let command = ["sleep", "1000"].map(str::to_owned);
    let error = run(&command, "", LONG, &AtomicBool::new(true)).unwrap_err();
    assert!(error.contains("lastlayerd ends"), "{error}");
}

/// Answers one request with `status`; gives the address, and what was asked.
fn serve(status: &'static str) -> (String, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/hook", listener.local_addr().unwrap());
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(socket.try_clone().unwrap());
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            request += &line;
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        request += &String::from_utf8(body).unwrap();
        let answer = format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/other\r\ncontent-length: 0\r\n\
             connection: close\r\n\r\n"
        );
        socket.write_all(answer.as_bytes()).unwrap();
        request
    });
    (address, server)
}

#[test]
fn a_webhook_posts_json_and_follows_nobody_elsewhere() {
    let agent = agent(LONG);
    let (address, server) = serve("204 No Content");
    assert_eq!(post(&agent, &address, "{\"class\":\"car\"}"), Ok(()));
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    assert!(
        request
            .to_lowercase()
            .contains("content-type: application/json")
    );
    assert!(
        request.ends_with("\r\n\r\n{\"class\":\"car\"}"),
        "{request}"
    );

    let (address, server) = serve("302 Found");
    let error = post(&agent, &address, "{}").unwrap_err();
    assert!(
        error.contains("answers 302") && error.contains("new address"),
        "{error}"
    );
    server.join().unwrap();
    let (address, server) = serve("500 Internal Server Error");
    let secret = address.replace("//", "//user:pw@") + "?token=abc";
    let error = post(&agent, &secret, "{}").unwrap_err();
    let place = address.trim_end_matches("/hook");
    assert_eq!(
        error,
        format!("{place} answers 500; its server refuses the verdict")
    );
    server.join().unwrap();
}

#[test]
fn a_webhook_that_nobody_answers_ends_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let error = post(&agent(Duration::from_millis(300)), &address, "{}").unwrap_err();
    assert!(
        error.contains("was not reached") && error.contains("timeout"),
        "{error}"
    );
    drop(listener);
    let error = post(&agent(LONG), &address, "{}").unwrap_err();
    assert!(error.contains("was not reached"), "{error}");
}

#[test]
fn a_full_queue_drops_and_says_so_rarely() {
    let (sender, messages) = sync_channel(QUEUE);
    let mut queue = Queue {
        name: "output 1".into(),
        sender,
        rarely: Rarely::default(),
    };
    let warnings: Vec<String> = (0..QUEUE as u64 + 5)
        .filter_map(|i| queue.offer(Duration::from_secs(i), i.to_string()))
        .collect();
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].starts_with("output 1: 8 verdicts wait"),
        "{warnings:?}"
    );
    assert_eq!(messages.try_iter().count(), QUEUE);
}

#[test]
fn failures_are_said_rarely_and_the_next_message_is_still_run() {
    let settings: Settings = toml::from_str("command = [\"sh\", \"-c\", \"exit 7\"]").unwrap();
    let stop = Arc::new(never());
    let runner = Runner::new("output 2 (car)".into(), &settings, stop);
    let (sender, messages) = sync_channel(QUEUE);
    let (warn, warnings) = channel();
    for _ in 0..3 {
        sender.send("{}".into()).unwrap();
    }
    drop(sender);
    runner.follow(&messages, &warn);
    drop(warn);
    let warnings: Vec<String> = warnings.iter().collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("output 2 (car): \"sh\" ended with exit status 7"));
}
