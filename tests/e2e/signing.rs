//! `lastlayer keygen` and `sign`, and what boards and the `minisign` tool say to it.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::support::*;

/// A folder with a signed package in it, `site.llp`.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::copy(bare_package(), bench.path("site.llp")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn lastlayer(&self, arguments: &[&str]) -> Command {
        let mut command = lastlayer();
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn board(&self, arguments: &[&str]) -> Command {
        let mut board = self.lastlayer(&["lastlayerd", "--package", "site.llp"]);
        write_photos(&self.path("camera"), "car", 0, 2);
        board.args(["--camera", "folder:camera", "--frames", "2"]);
        board.args(arguments);
        board
    }

    /// Whether such a tool is on this machine.
    fn has(&self, tool: &str) -> bool {
        let there = Command::new("sh")
            .args(["-c", &format!("command -v {tool}")])
            .output();
        there.unwrap().status.success()
    }
}

/// The key's id, as its .pub file's comment says it.
fn id(public: &Path) -> String {
    let text = fs::read_to_string(public).unwrap();
    let comment = text.lines().next().unwrap();
    comment.split_whitespace().last().unwrap().to_owned()
}

#[test]
fn keys_are_made_once_and_used() {
    let bench = Bench::new();
    let printed = succeed(&mut bench.lastlayer(&["keygen", "--no-password", "-o", "my.own"]));
    let (secret, public) = (bench.path("my.own.key"), bench.path("my.own.pub"));
    let own = id(&public);
    assert!(printed.contains(&format!("key {own}")), "{printed}");
    let mode = secret.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&secret).unwrap();
    let again = fail(&mut bench.lastlayer(&["keygen", "-o", "my.own"]), 1);
    assert!(again.contains("a key is never replaced"), "{again}");
    assert_eq!(fs::read(&secret).unwrap(), before);

    let first = id(&key().with_extension("pub"));
    let shown = succeed(&mut bench.lastlayer(&["inspect", "site.llp"]));
    assert!(
        shown.contains(&format!("signed by {first} (not checked")),
        "{shown}"
    );
    let trusting = ["inspect", "site.llp", "--trust", "my.own.pub"];
    let stranger = fail(&mut bench.lastlayer(&trusting), 1);
    assert!(
        stranger.contains(&format!("is signed by {first}, which is not trusted here"))
            && stranger.contains(&format!("trusted: {own}")),
        "{stranger}"
    );
    succeed(&mut bench.lastlayer(&["sign", "site.llp", "--key", "my.own.key"]));
    let shown = succeed(&mut bench.lastlayer(&trusting));
    assert!(shown.contains(&format!("signed by {own},")), "{shown}");
    let json = succeed(bench.lastlayer(&trusting).arg("--json"));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["signed_by"], own.as_str());
    assert_eq!(json["signature_checked"], true);

    let public = fail(
        &mut bench.lastlayer(&["sign", "site.llp", "--key", "my.own.pub"]),
        1,
    );
    assert!(public.contains("my.own.pub is no secret key"), "{public}");
    let secret = ["inspect", "site.llp", "--trust", "my.own.key"];
    let secret = fail(&mut bench.lastlayer(&secret), 1);
    assert!(secret.contains("this is a secret key"), "{secret}");
}

#[test]
fn a_password_is_taken_from_the_environment() {
    let bench = Bench::new();
    let with = |password: &str, arguments: &[&str]| {
        let mut command = bench.lastlayer(arguments);
        command.env("LASTLAYER_KEY_PASSWORD", password);
        command
    };
    succeed(&mut with("one", &["keygen", "-o", "site"]));
    let sign = ["sign", "site.llp", "--key", "site.key"];
    let wrong = fail(&mut with("two", &sign), 1);
    assert!(wrong.contains("the password is wrong"), "{wrong}");
    succeed(&mut with("one", &sign));
    succeed(&mut bench.lastlayer(&["inspect", "site.llp", "--trust", "site.pub"]));
}

#[test]
fn a_board_runs_what_a_trusted_key_signed() {
    let bench = Bench::new();
    let public = key().with_extension("pub");
    let trust = ["--trust", public.to_str().unwrap()];
    succeed(&mut bench.board(&trust));
    fs::create_dir(bench.path("keys")).unwrap();
    let nobody = fail(&mut bench.board(&["--trust", "keys"]), 2);
    assert!(nobody.contains("no key is trusted here"), "{nobody}");
    succeed(&mut bench.lastlayer(&["keygen", "--no-password", "-o", "keys/other"]));
    let stranger = fail(&mut bench.board(&["--trust", "keys"]), 2);
    assert!(stranger.contains("which is not trusted here"), "{stranger}");
    // Both keys: the way from one to the other.
    fs::copy(&public, bench.path("keys/site.pub")).unwrap();
    succeed(&mut bench.board(&["--trust", "keys"]));

    let mut package = bench.lastlayer(&["package", "-o", "site.llp"]);
    let unsigned = package.arg(backbone()).output().unwrap();
    assert!(unsigned.status.success());
    let warning = text(&unsigned.stderr);
    assert!(
        warning.contains("boards do not run unsigned packages"),
        "{warning}"
    );
    for (more, code) in [(&["--frames", "1"][..], 2), (&["check"], 1)] {
        let mut board = bench.board(&trust);
        let output = match more {
            ["check"] => bench
                .lastlayer(&["lastlayerd", "check", "--package", "site.llp"])
                .args(trust)
                .output(),
            _ => board.output(),
        };
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(code));
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            said.contains("site.llp: the package is not signed"),
            "{said}"
        );
    }
    // Off by default, and loud.
    let output = bench.board(&["--unsigned"]).output().unwrap();
    assert!(output.status.success());
    let said = text(&output.stderr);
    assert!(
        said.contains("--unsigned: every package is run here"),
        "{said}"
    );
}

#[test]
fn the_minisign_tool_checks_and_signs() {
    let bench = Bench::new();
    for tool in ["minisign", "unzip"] {
        if !bench.has(tool) {
            return skip(tool);
        }
    }
    let run = |line: &str| {
        let mut shell = Command::new("sh");
        succeed(shell.args(["-ec", line]).current_dir(bench.0.path()))
    };
    // The line of the document, as it stands.
    let document = include_str!("../../docs/security.md");
    let check = document
        .lines()
        .find(|line| line.starts_with("unzip -p site.llp SHA256SUMS >"))
        .unwrap();
    fs::copy(key().with_extension("pub"), bench.path("site.pub")).unwrap();
    let said = run(check);
    assert!(
        said.contains("Trusted comment: lastlayer package, version 1"),
        "{said}"
    );

    // A key of minisign's own, and a signature made with it, brought to the package.
    run("minisign -GW -p theirs.pub -s theirs.key && minisign -S -s theirs.key -m SHA256SUMS");
    let attach = [
        "sign",
        "site.llp",
        "--signature",
        "SHA256SUMS.minisig",
        "--trust",
    ];
    let wrong = fail(bench.lastlayer(&attach).arg("site.pub"), 1);
    assert!(wrong.contains("which is not trusted here"), "{wrong}");
    succeed(bench.lastlayer(&attach).arg("theirs.pub"));
    succeed(&mut bench.board(&["--trust", "theirs.pub"]));
    // And their secret key signs here, ours there.
    succeed(&mut bench.lastlayer(&["sign", "site.llp", "--key", "theirs.key"]));
    run(&check.replace("site.pub", "theirs.pub"));
    fs::copy(key(), bench.path("site.key")).unwrap();
    run("minisign -S -s site.key -m SHA256SUMS && minisign -Vm SHA256SUMS -p site.pub");
}

#[test]
fn an_older_package_is_refused_where_a_newer_one_ran() {
    let bench = Bench::new();
    let public = key().with_extension("pub");
    let board = |more: &[&str]| {
        let mut board = bench.board(&["--trust", public.to_str().unwrap(), "--state", "state"]);
        board.args(more);
        board
    };
    let package = |version: &str| {
        let arguments = ["package", "-o", "site.llp", "--version", version, "--key"];
        let mut package = bench.lastlayer(&arguments);
        succeed(package.arg(key().with_extension("key")).arg(backbone()));
    };
    package("2");
    succeed(&mut board(&[]));
    succeed(&mut board(&[]));
    package("1");
    // It is refused, and what is installed goes on.
    let said = |more: &[&str]| {
        let output = board(more).output().unwrap();
        assert!(output.status.success());
        text(&output.stderr)
    };
    let older = said(&[]);
    assert!(
        older.contains("package refused: site.llp: the package has version 1")
            && older.contains("version 2, which is installed, runs"),
        "{older}"
    );
    let mut check = bench.lastlayer(&["lastlayerd", "check", "--package", "site.llp"]);
    check.args(["--trust", public.to_str().unwrap(), "--state", "state"]);
    let output = check.args(["--camera", "folder:camera"]).output().unwrap();
    assert!(text(&output.stdout).contains("wrong  state   the package has version 1"));
    // Neither is a reset a way to it.
    let mut reset = bench.lastlayer(&["lastlayerd", "reset", "--yes", "--package", "site.llp"]);
    reset.args(["--trust", public.to_str().unwrap(), "--state", "state"]);
    succeed(&mut reset);
    assert!(said(&[]).contains("package refused"));
    let taken = said(&["--allow-downgrade"]);
    assert!(
        taken.contains("--allow-downgrade: older packages")
            && taken.contains("package installed: version 1 is installed"),
        "{taken}"
    );
}
