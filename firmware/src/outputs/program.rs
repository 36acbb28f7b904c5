//! The program of a command: whether it is there, before a class comes and it is wanted.

use std::{
    env,
    ffi::OsStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// What is wrong with it, in plain words. Found as the system finds it: what has no `/` in the
/// folders of PATH.
pub fn problem(program: &str) -> Option<String> {
    problem_in(program, &env::var_os("PATH").unwrap_or_default())
}

fn problem_in(program: &str, path: &OsStr) -> Option<String> {
    let places: Vec<PathBuf> = match program.contains('/') {
        true => vec![program.into()],
        false => env::split_paths(path).map(|f| f.join(program)).collect(),
    };
    if places.iter().any(|place| is_executable(place)) {
        return None;
    }
    match places.iter().any(|place| place.is_file()) {
        true => Some(forbidden(program)),
        false => Some(missing(program)),
    }
}

/// By anybody: for whom is left to the attempt.
fn is_executable(place: &Path) -> bool {
    fs::metadata(place).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

pub fn missing(program: &str) -> String {
    let words: Vec<String> = program
        .split_whitespace()
        .map(|word| format!("{word:?}"))
        .collect();
    match words.len() {
        0 | 1 => {
            let advice = "give its whole path, and look for a misspelling";
            format!("there is no program {program:?}; {advice}")
        }
        _ => format!(
            "there is no program {program:?}; arguments are items of their own: command = [{}]",
            words.join(", ")
        ),
    }
}

pub fn forbidden(program: &str) -> String {
    format!("{program:?} may not be run; make it executable (chmod +x), or check its owner")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_there_and_may_be_run_or_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("note");
        let path = folder.path().as_os_str();
        let whole = file.to_str().unwrap();
        let of = |program: &str| problem_in(program, path).unwrap_or_default();
        assert!(of("note").starts_with("there is no program \"note\"; give"));
        fs::write(&file, "#!/bin/sh\n").unwrap();
        assert!(of("note").contains("chmod +x") && of(whole).contains("chmod +x"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!((of("note"), of(whole)), (String::new(), String::new()));
        // A folder is no program.
        assert!(of(path.to_str().unwrap()).starts_with("there is no program"));
        let together = of("prog --from gate");
        let items = "arguments are items of their own: command = [\"prog\", \"--from\", \"gate\"]";
        assert!(together.ends_with(items), "{together}");
    }
}
