//! `lastlayerd reset`, `classes` and `samples`: asked of the program that runs on the state folder,
//! or done on the folder where none does.

use std::{io::ErrorKind, path::Path};

use anyhow::{Context, bail};
use lastlayer_shared::{file, package::MAX_SIZE};

use super::{BurstLine, Reply, Request, socket};
use crate::{
    config::Config,
    memory::{Memory, MemoryError},
    outputs, owner,
    slots::Slots,
    storage,
    teachings::{Starting, Teachings},
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
            owner::become_owner(state)?;
            alone(config, state, request)?
        }
    };
    let mut lines = lines(reply);
    lines.extend(left_behind(config, request));
    Ok(lines)
}

/// What of the configuration goes by a name that a class has no longer.
fn left_behind(config: &Config, request: &Request) -> Vec<String> {
    let (Request::RenameClass { from: gone, .. } | Request::RemoveClass { name: gone }) = request
    else {
        return Vec::new();
    };
    let mut keys = config.panel.naming(gone);
    keys.extend(outputs::naming(&config.outputs, gone));
    let line = |key: String| {
        format!(
            "note: {key} no longer acts: it is for {gone}; change it in the configuration, and start \
             lastlayerd again"
        )
    };
    keys.into_iter().map(line).collect()
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

fn alone(config: &Config, state: &Path, request: &Request) -> anyhow::Result<Reply> {
    let explained = |error| owner::explain(error, state);
    let storage = storage::open(Some(state)).map_err(|error| explained(error.into()))?;
    if *request == Request::Reset {
        // Where versions before this one had it.
        Memory::clear(&*storage, "").map_err(explained)?;
    }
    let mut slots = Slots::open(storage, config.memory).map_err(explained)?;
    if let Some(reason) = slots.damage() {
        bail!(
            "it is not known which package runs: `slots` in the state folder cannot be read \
             ({reason}); start lastlayerd once, which makes it again"
        );
    }
    if let Some(reply) = slots.answer(request) {
        return Ok(reply?);
    }
    let memory = match (slots.memory(), request) {
        (Ok(memory), Request::Reset) => {
            slots.forget_spare()?;
            memory
        }
        // Cannot be read any more, and need not be.
        (Err(MemoryError::Damaged { .. }), Request::Reset) => {
            slots.forget()?;
            slots.memory()?
        }
        (memory, _) => memory.map_err(explained)?,
    };
    let (bytes, place) = match (slots.package()?, &config.package) {
        (Some(bytes), _) => (bytes, "the installed package".into()),
        (None, Some(path)) => (file::read(path, MAX_SIZE)?, path.display().to_string()),
        (None, None) => bail!(
            "which package? Give --package FILE, or `package` in the configuration (--config FILE)"
        ),
    };
    let package = open_package(&bytes, &config.trust).context(place)?;
    let starting = Starting::new(package, file::sha256(&bytes));
    let mut teachings = Teachings::new(starting, memory);
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
        Reply::Packages(packages) if packages.is_empty() => vec!["no package is installed".into()],
        Reply::Packages(packages) => {
            let heading = format!("{:>7}  {:12}  state", "version", "package");
            let lines = packages.iter().map(|line| {
                let id = line.package.get(..12).unwrap_or(&line.package);
                format!("{:>7}  {id:12}  {}", line.version, line.state)
            });
            std::iter::once(heading).chain(lines).collect()
        }
        Reply::Samples(bursts) => {
            let heading = format!("{:>5}  {:>7}  class", "burst", "samples");
            let lines = bursts.iter().map(|line| {
                let aside = line.aside.as_ref();
                let aside = aside.map_or_else(String::new, |why| format!("  (set aside: {why})"));
                let BurstLine {
                    burst,
                    samples,
                    class,
                    ..
                } = line;
                format!("{burst:>5}  {samples:>7}  {class}{aside}")
            });
            std::iter::once(heading).chain(lines).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_by_a_name_that_is_gone_is_said() {
        let text = "[panel]\nclasses.car.light = { line = 1 }\n\
                    [[output]]\nclass = 'car'\ncommand = ['true']\n\
                    [[output]]\nclass = 'bird'\ncommand = ['true']";
        let config = Config::parse(text, Path::new("board.toml")).unwrap();
        let (from, to) = ("car".to_owned(), "taxi".to_owned());
        let said = left_behind(&config, &Request::RenameClass { from, to });
        assert_eq!(
            said[0],
            "note: panel.classes.\"car\" no longer acts: it is for car; change it in the configuration, \
             and start lastlayerd again"
        );
        assert!(said[1].starts_with("note: output 1 (car) no longer acts"));
        assert_eq!(said.len(), 2);
        let name = "truck".to_owned();
        assert_eq!(
            left_behind(&config, &Request::RemoveClass { name }),
            [""; 0]
        );
        assert_eq!(left_behind(&config, &Request::Reset), [""; 0]);
    }
}
