//! Whose the state folder is. What root writes there its owner cannot use any more: root looks after
//! it as its owner, and does not watch on it. Where that went wrong nevertheless, the error says who
//! owns what and how it is given back.

use std::{
    fs::{self, Metadata},
    io::ErrorKind,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

use anyhow::{Context, anyhow, bail};
use lastlayer_shared::file;
use rustix::process::geteuid;

use crate::{memory::MemoryError, storage::DiskError};

const USERS: &str = "/etc/passwd";

/// Root becomes the folder's owner, by starting this very command again. Without the owner's groups:
/// files are all that it is for.
pub fn become_owner(state: &Path) -> anyhow::Result<()> {
    let Some(owner) = other_than_root(state.metadata().ok()) else {
        return Ok(());
    };
    let mut command = Command::new(this_program()?);
    command.uid(owner.uid()).gid(owner.gid());
    replace_by(command, state)
}

/// The same with the owner's groups, which decide about cameras and lines; the standard library sets
/// none. `say` is told who that is. A folder that is not there yet is its parent's owner's.
pub fn see_as_owner(
    state: &Path,
    say: impl FnOnce(&str) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let Some(owner) = other_than_root(nearest(state).map(|(_, folder)| folder)) else {
        return Ok(());
    };
    let groups = match name(owner.uid()) {
        Some(_) => "--init-groups",
        // Whom no list of users has is in no group.
        None => "--clear-groups",
    };
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={}", owner.uid()))
        .arg(format!("--regid={}", owner.gid()))
        .args([groups, "--"])
        .arg(this_program()?);
    say(&called(owner.uid()))?;
    replace_by(command, state)
}

/// An error where root would watch on a folder of somebody else.
pub fn not_as_root(state: &Path) -> anyhow::Result<()> {
    let Some(owner) = other_than_root(state.metadata().ok()) else {
        return Ok(());
    };
    let owner = called(owner.uid());
    bail!(
        "the state folder {} belongs to {owner}, who could not use what root writes there; start this \
         as that user (`sudo -u {owner} lastlayerd ...`), or give another folder with --state",
        state.display()
    )
}

/// The error, or who owns what where that is why.
pub fn explain(error: MemoryError, state: &Path) -> anyhow::Error {
    let source = match &error {
        MemoryError::Folder(DiskError::Folder { source, .. })
        | MemoryError::Disk { source, .. } => Some(source),
        _ => None,
    };
    let denied = source.is_some_and(|source| source.kind() == ErrorKind::PermissionDenied);
    match denied.then(|| foreign(state, geteuid().as_raw())).flatten() {
        Some(text) => anyhow!(text),
        None => error.into(),
    }
}

/// What of the state folder is not this user's, and what to do; `None` where all of it is.
pub fn foreign(state: &Path, user: u32) -> Option<String> {
    let me = called(user);
    let (there, folder) = nearest(state)?;
    let (place, owner) = (state.display(), called(folder.uid()));
    if there != state {
        return (folder.uid() != user).then(|| {
            format!(
                "the state folder {place} is not there, or {me} may not look into it: {} belongs to \
                 {owner}; start this as that user (`sudo -u {owner} lastlayerd ...`), or make it: \
                 `sudo install -d -o {me} {place}`",
                there.display()
            )
        });
    }
    if folder.uid() != user {
        return Some(format!(
            "the state folder {place} belongs to {owner}, and this is {me}; start this as that user \
             (`sudo -u {owner} lastlayerd ...`), or give {me} the folder: `sudo chown -R {me}: {place}`"
        ));
    }
    let strange = file::list(state).ok()?.into_iter().find_map(|path| {
        let owner = path.symlink_metadata().ok()?.uid();
        (owner != user).then_some((path, owner))
    });
    let (path, owner) = strange?;
    Some(format!(
        "{} belongs to {}, and the state folder to {me}; give it back: `sudo chown -R {me}: {place}`",
        path.display(),
        called(owner)
    ))
}

/// The folder, or the nearest above it that can be seen.
pub fn nearest(folder: &Path) -> Option<(&Path, Metadata)> {
    folder.ancestors().find_map(|path| {
        let path = match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        };
        Some((path, path.metadata().ok()?))
    })
}

/// Whose it is, where this is root and it is not root's.
fn other_than_root(folder: Option<Metadata>) -> Option<Metadata> {
    folder.filter(|folder| geteuid().is_root() && folder.uid() != 0)
}

fn this_program() -> anyhow::Result<std::path::PathBuf> {
    std::env::current_exe().context("this program cannot find itself")
}

/// Comes back only where it cannot be done.
fn replace_by(mut command: Command, state: &Path) -> anyhow::Result<()> {
    let error = command.args(std::env::args_os().skip(1)).exec();
    let program = command.get_program().display();
    Err(error).context(format!(
        "{} belongs to another user, and {program} cannot be started as that user; use sudo -u",
        state.display()
    ))
}

/// A user's name, or the number where it has none.
fn called(user: u32) -> String {
    name(user).unwrap_or_else(|| user.to_string())
}

fn name(user: u32) -> Option<String> {
    let users = fs::read_to_string(USERS).ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(user)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owns_what_is_said_with_how_it_is_given_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::create_dir(&state).unwrap();
        fs::write(state.join("lock"), "").unwrap();
        let owner = folder.path().metadata().unwrap().uid();
        assert_eq!(foreign(&state, owner), None);
        assert_eq!(foreign(&state.join("new"), owner), None);
        // A number that no list of users has.
        let other = 4_000_000_001;
        let place = state.display();
        let said = foreign(&state, other).unwrap();
        let advice = format!("`sudo chown -R {other}: {place}`");
        assert!(said.ends_with(&advice), "{said}");
        let owner = called(owner);
        assert!(said.contains(&format!("belongs to {owner}")), "{said}");
        let said = foreign(&state.join("new"), other).unwrap();
        assert!(said.contains("`sudo install -d -o"), "{said}");
        let denied = DiskError::Folder {
            folder: state.clone(),
            source: ErrorKind::PermissionDenied.into(),
        };
        // Nothing is foreign: the mode of the folder, or the file system, is why.
        assert!(
            explain(denied.into(), &state)
                .to_string()
                .contains("cannot be used")
        );
    }

    #[test]
    fn the_nearest_folder_is_found_and_users_have_names() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        assert_eq!(nearest(&deep).unwrap().0, folder.path());
        assert_eq!(
            nearest(Path::new("no-such-folder")).unwrap().0,
            Path::new(".")
        );
        assert_eq!(called(0), "root");
    }
}
