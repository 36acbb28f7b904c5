//! Passwords of secret keys: from the environment for scripts, or from a person at a terminal.

use anyhow::Context;

const VARIABLE: &str = "LASTLAYER_KEY_PASSWORD";

/// For a key that is there.
pub fn of(key: &std::path::Path) -> anyhow::Result<String> {
    match std::env::var(VARIABLE) {
        Ok(password) => Ok(password),
        Err(_) => ask(&format!("Password of {}: ", key.display())),
    }
}

/// For a new key, asked for twice.
pub fn new() -> anyhow::Result<String> {
    if let Ok(password) = std::env::var(VARIABLE) {
        return Ok(password);
    }
    let password = ask("Password for the new key: ")?;
    anyhow::ensure!(
        !password.is_empty(),
        "an empty password protects nothing; give one, or --no-password"
    );
    anyhow::ensure!(
        password == ask("The same again: ")?,
        "the passwords differ; try again"
    );
    Ok(password)
}

fn ask(prompt: &str) -> anyhow::Result<String> {
    rpassword::prompt_password(prompt).with_context(|| {
        format!("there is no terminal to ask for a password; put it into {VARIABLE}")
    })
}
