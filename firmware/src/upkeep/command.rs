//! `lastlayerd reset`, `classes` and `samples`: asked of the program that runs on the state folder,
//! or done on the folder where none does.

use std::{
    io::ErrorKind,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, bail};
use lastlayer_shared::{file, package::MAX_SIZE};

use super::{Reply, Request, socket};
use crate::{
    config::Config,
    memory::{Memory, MemoryError},
    teachings::Teachings,
    trust::open_package,
};

/// Does it and says what was done, a line each.
pub fn run(config: &Config, request: &Request) -> anyhow::Result<Vec<String>> {
    let state = config.state.as_deref().context(
        "which state folder? Give --state DIR, or `state` in the configuration (--config FILE)",
    )?;
    match state.metadata() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => bail!(
            "this user may not look into the state folder {}; use sudo",
            state.display()
        ),
        Ok(folder) if folder.is_dir() => {}
        _ => bail!(
            "there is no state folder {}; nothing was taught there",
            state.display()
        ),
    }
    let reply = match socket::ask(state, request) {
        Some(reply) => reply?,
        None => {
            become_owner(state)?;
            alone(config, state, request)?
        }
    };
    Ok(lines(reply))
}

/// `lastlayerd reset`: what it forgets is said first, and done only with `yes`.
pub fn reset(config: &Config, yes: bool) -> anyhow::Result<Vec<String>> {
    if yes {
        return run(config, &Request::Reset);
    }
    let taught = run(config, &Request::Samples)?;
    let bursts = match taught.len().saturating_sub(1) {
        1 => "1 burst".into(),
        bursts => format!("{bursts} bursts"),
    };
    bail!(
        "this forgets what was taught here ({bursts}), added classes and new names; \
         `lastlayerd reset --yes` does it"
    )
}

/// What root writes the service could not read any more: root becomes the folder's owner first, by
/// starting this very command again.
fn become_owner(state: &Path) -> anyhow::Result<()> {
    let folder = state.metadata()?;
    if !rustix::process::geteuid().is_root() || folder.uid() == 0 {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let error = Command::new(program)
        .args(std::env::args_os().skip(1))
        .uid(folder.uid())
        .gid(folder.gid())
        .exec();
    Err(error).context(format!(
        "{} belongs to another user, and this cannot be done as that user",
        state.display()
    ))
}

fn alone(config: &Config, state: &Path, request: &Request) -> anyhow::Result<Reply> {
    let memory = match (Memory::open_any(state), request) {
        // Cannot be read any more, and need not be.
        (Err(MemoryError::Damaged { .. }), Request::Reset) => {
            Memory::clear(state)?;
            Memory::open_any(state)?
        }
        (memory, _) => memory?,
    };
    let path = config.package.as_deref().context(
        "which package? Give --package FILE, or `package` in the configuration (--config FILE)",
    )?;
    let bytes = file::read(path, MAX_SIZE)?;
    let package =
        open_package(&bytes, &config.trust).with_context(|| format!("{}", path.display()))?;
    let mut teachings = Teachings::new(package, file::sha256(&bytes), memory);
    Ok(teachings.answer(request)?)
}

/// For a person; tables have a line of headings.
fn lines(reply: Reply) -> Vec<String> {
    match reply {
        Reply::Done(text) => vec![text],
        Reply::Classes(classes) => {
            let widest = classes.iter().map(|line| line.class.chars().count());
            let width = widest.max().unwrap_or(0).max("class".len());
            let heading = format!(
                "{:width$}  {:>6}  {:>12}",
                "class", "taught", "from package"
            );
            let lines = classes.iter().map(|line| {
                format!(
                    "{:width$}  {:>6}  {:>12}",
                    line.class, line.taught, line.of_package
                )
            });
            std::iter::once(heading).chain(lines).collect()
        }
        Reply::Samples(bursts) => {
            let heading = format!("{:>5}  {:>7}  class", "burst", "samples");
            let lines = bursts
                .iter()
                .map(|line| format!("{:>5}  {:>7}  {}", line.burst, line.samples, line.class));
            std::iter::once(heading).chain(lines).collect()
        }
    }
}
