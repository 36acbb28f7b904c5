//! `lastlayerd check`: looks at everything that the configuration names on the machine that it
//! stands on, and says in plain words what is wrong.

use std::{
    io::{self, ErrorKind, Write, stdout},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use lastlayer_shared::{backbone::Backbone, error::one_line, file, package::MAX_SIZE};
use rustix::process::geteuid;

use crate::{
    camera::{CameraError, CameraNews, Keeper, Settings as CameraSettings, Step},
    config::Config,
    log::LogError,
    memory::MemoryError,
    outputs, owner,
    panel::gpio::{self, Opener},
    slots::{Installed, Slots},
    storage::{self, DiskError},
    teachings::Starting,
    trust,
    upkeep::{self, Reply, Request},
};

/// Longer than a CSI camera's program may take for its first frame.
const STARTING: Duration = Duration::from_secs(20);

/// What one look found: what is well, or what is wrong, one line each.
type Found = Result<String, Vec<String>>;

/// Prints a line a thing; an error says how many are wrong.
pub fn run(config: &Config) -> anyhow::Result<()> {
    if let Some(state) = &config.state {
        owner::see_as_owner(state, |owner| {
            let text = format!("looked at as {owner}, to whom the state folder belongs");
            Ok(writeln!(stdout(), "note   {text}").map_err(LogError::from)?)
        })?;
    }
    let mut wrong = 0;
    let mut say = |what: &str, found: Found| -> Result<(), LogError> {
        let mut out = stdout().lock();
        match found {
            Ok(text) => writeln!(out, "ok     {what:8}{text}")?,
            Err(problems) => {
                wrong += problems.len();
                for problem in problems {
                    writeln!(out, "wrong  {what:8}{problem}")?;
                }
            }
        }
        Ok(())
    };
    let offered = match open_package(config) {
        Ok((text, offered)) => {
            say("package", Ok(text))?;
            Some(offered)
        }
        Err(problem) => {
            say("package", Err(vec![problem]))?;
            None
        }
    };
    let state = state(config, offered);
    say("state", state.found)?;
    say("camera", camera(&config.camera, state.runs))?;
    let listing = gpio::list();
    let mut opener = Opener::new(&listing);
    let problems = config.panel.problems(&mut opener);
    let chip = config.panel.chip.as_deref();
    let of_outputs = outputs::problems(&config.outputs, chip, &mut opener);
    let panel = match (config.panel.is_empty(), state.runs) {
        (true, _) => "none: nothing can be taught without --panel keyboard",
        (false, true) => "every line is there, and free or lastlayerd's",
        (false, false) => "every line is there and free",
    };
    say("panel", none_or(problems, panel.into()))?;
    let count = config.outputs.len();
    say("outputs", none_or(of_outputs, format!("{count}")))?;
    // Classes may still be added or renamed: nothing is wrong with waiting for one.
    if let Some(classes) = &state.classes {
        let mut strangers = config.panel.strangers(classes);
        strangers.extend(outputs::strangers(&config.outputs, classes));
        let mut out = stdout().lock();
        for stranger in strangers {
            writeln!(out, "note   {stranger}").map_err(LogError::from)?;
        }
    }
    match wrong {
        0 => Ok(()),
        1 => bail!("one thing is wrong; see above"),
        _ => bail!("{wrong} things are wrong; see above"),
    }
}

fn none_or(problems: Vec<String>, well: String) -> Found {
    match problems.is_empty() {
        true => Ok(well),
        false => Err(problems),
    }
}

/// The package that the configuration names.
struct Offered {
    package: Installed,
    starting: Starting,
    classes: Vec<String>,
}

fn open_package(config: &Config) -> Result<(String, Offered), String> {
    let path = config
        .package
        .as_deref()
        .ok_or("which package? `package` is not in the configuration")?;
    let bytes = file::read(path, MAX_SIZE).map_err(|error| one_line(&error))?;
    let package = trust::open_package(&bytes, &config.trust)
        .map_err(|error| format!("{}: {}", path.display(), one_line(&error)))?;
    let backbone = Backbone::load_with(&package.backbone, &package.preprocess, config.operators())
        .map_err(|error| one_line(&error))?;
    let mut embedder = backbone.embedder().map_err(|error| one_line(&error))?;
    package
        .run_self_test(&mut embedder)
        .map_err(|error| one_line(&error))?;
    let start = Instant::now();
    for test in &package.self_test {
        embedder
            .embed_crop(&test.crop)
            .map_err(|error| one_line(&error))?;
    }
    let frame = start.elapsed().as_secs_f64() * 1e3 / package.self_test.len().max(1) as f64;
    let text = format!(
        "{}: version {}, {}, {} classes, its self-test passes, {frame:.0} ms a frame",
        path.display(),
        package.version,
        match package.signed_by {
            Some(key) if !config.trust.unsigned => format!("signed by {key}"),
            _ => "signatures not checked (--unsigned)".into(),
        },
        package.classes.len()
    );
    let id = file::sha256(&bytes);
    let version = package.version;
    let offered = Offered {
        classes: package.classes.clone(),
        starting: Starting::new(package, id.clone()),
        package: Installed { id, version },
    };
    Ok((text, offered))
}

/// What was found of the state folder.
struct State {
    found: Found,
    /// The board's, where they are known.
    classes: Option<Vec<String>>,
    /// Whether lastlayerd runs on it, and so holds the camera and the lines.
    runs: bool,
}

impl State {
    fn new(found: Found, classes: Option<Vec<String>>) -> Self {
        Self {
            found,
            classes,
            runs: false,
        }
    }

    fn wrong(problem: String) -> Self {
        Self::new(Err(vec![problem]), None)
    }
}

fn state(config: &Config, offered: Option<Offered>) -> State {
    let of_package = offered.as_ref().map(|offered| offered.classes.clone());
    let Some(folder) = config.state.as_deref() else {
        let text = "none: what is taught is gone when the program ends";
        return State::new(Ok(text.into()), of_package);
    };
    // Opening would make it.
    match folder.metadata() {
        Ok(there) if there.is_dir() => taught(folder, config, offered),
        Ok(_) => State::wrong(format!("{} is a file; give a folder", folder.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            State::new(makeable(folder), of_package)
        }
        Err(source) => {
            let error = DiskError::Folder {
                folder: folder.into(),
                source,
            };
            let error = owner::explain(error.into(), folder);
            State::wrong(one_line(error.as_ref()))
        }
    }
}

/// What a folder that is there has in it.
fn taught(folder: &Path, config: &Config, offered: Option<Offered>) -> State {
    let storage = storage::open(Some(folder)).map_err(MemoryError::from);
    let slots = storage.and_then(|storage| Slots::open(storage, config.memory));
    let opened = slots.and_then(|slots| {
        let memory = slots.memory()?;
        Ok((slots, memory))
    });
    let place = folder.display();
    let (slots, memory) = match opened {
        Ok(opened) => opened,
        Err(MemoryError::Folder(DiskError::InUse(_))) => {
            let text = format!("{place}: lastlayerd runs on it");
            let state = match upkeep::ask(folder, &Request::Classes) {
                Some(Ok(Reply::Classes(lines))) => {
                    let classes = lines.into_iter().map(|line| line.class);
                    State::new(Ok(text), Some(classes.collect()))
                }
                Some(Err(error)) => State::wrong(format!("{text}; {error}")),
                _ => State::new(Ok(text), None),
            };
            return State {
                runs: true,
                ..state
            };
        }
        Err(error) => return State::wrong(one_line(owner::explain(error, folder).as_ref())),
    };
    if let Some(reason) = slots.damage() {
        return State::wrong(format!(
            "{place}: `slots` cannot be read ({reason}); the next start makes it again"
        ));
    }
    let samples = format!("{} samples", memory.len());
    let Some(running) = slots.running() else {
        let classes = offered.map(|offered| offered.starting.classes(&memory));
        return State::new(Ok(format!("{place}: {samples}")), classes);
    };
    let version = running.version;
    let next = offered.filter(|offered| offered.package != *running);
    let next = match next.map(|next| (slots.why_refused(&next.package.id), next.package.version)) {
        None => String::new(),
        Some((Some(why), next)) => {
            return State::wrong(format!(
                "version {version} runs: version {next} was refused: {why}; `lastlayerd packages \
                 retry` tries it again"
            ));
        }
        Some((None, next)) => {
            if let Err(error) = config.trust.check_version(Some(version), next) {
                return State::wrong(one_line(&error));
            }
            format!("; version {next} is tried at the next start")
        }
    };
    let text = format!("{place}: version {version} is installed, {samples}{next}");
    let bytes = slots.package().map_err(|error| one_line(&error));
    let package = bytes.and_then(|bytes| {
        let bytes = bytes.ok_or("its file is gone")?;
        trust::open_package(&bytes, &config.trust).map_err(|error| one_line(&error))
    });
    match package {
        Ok(package) => {
            let classes = Starting::new(package, String::new()).classes(&memory);
            State::new(Ok(text), Some(classes))
        }
        Err(problem) => State::wrong(format!("the installed package: {problem}")),
    }
}

/// Whether a folder that is not there can be made, found out above it: nothing is left behind.
fn makeable(folder: &Path) -> Found {
    let place = folder.display();
    let Some((above, _)) = owner::nearest(folder) else {
        return Err(vec![format!("{place} cannot be made")]);
    };
    let attempt = tempfile::Builder::new()
        .prefix(".lastlayer-check-")
        .tempdir_in(above);
    let Err(error) = attempt else {
        return Ok(format!("{place} is not there yet and will be made"));
    };
    // Its own message names the temporary folder.
    let kind = error.kind();
    let source = match kind {
        // Of the kernel's own file systems.
        ErrorKind::NotFound => "nothing can be made there".into(),
        _ => io::Error::from(kind).to_string(),
    };
    let denied = kind == ErrorKind::PermissionDenied;
    let owned = denied.then(|| owner::foreign(folder, geteuid().as_raw()));
    Err(vec![owned.flatten().unwrap_or_else(|| {
        let above = above.display();
        format!(
            "{place} is not there and cannot be made in {above}: {source}; give another as `state`"
        )
    })])
}

/// Waits for its first frame. `runs`: lastlayerd does, and most likely holds this camera.
fn camera(settings: &CameraSettings, runs: bool) -> Found {
    let settings = CameraSettings {
        wait: false,
        ..settings.clone()
    };
    let failed = |error: &CameraError| {
        let why = match error {
            CameraError::Busy(_) | CameraError::ChildEnded { .. } if runs => {
                "; lastlayerd runs and holds its camera: if that is this one, all is well, and it can \
                 be looked at when lastlayerd is stopped"
            }
            _ => "",
        };
        vec![one_line(error) + why]
    };
    let mut keeper = Keeper::start(&settings).map_err(|error| failed(&error))?;
    let start = Instant::now();
    // The source itself ends waiting with an error: after its timeout, or a while longer where a
    // program has to start first.
    let patience = (settings.timeout() * 2).max(STARTING);
    while start.elapsed() < patience {
        match keeper.step(start.elapsed()) {
            Step::Frame(capture) => {
                let described = keeper.news().into_iter().find_map(|news| match news {
                    CameraNews::Back(text) => Some(text),
                    CameraNews::Lost(_) => None,
                });
                let warnings = keeper.warnings();
                if !warnings.is_empty() {
                    return Err(warnings);
                }
                let (width, height) = (capture.frame.width(), capture.frame.height());
                return Ok(described.unwrap_or_else(|| format!("{width}x{height}")));
            }
            Step::Nothing => {}
            Step::Wait(time) => thread::sleep(time.min(Duration::from_millis(100))),
            Step::End(error) => return Err(failed(&error)),
        }
    }
    Err(vec![format!(
        "no frame came in {:.0} seconds; is it connected well?",
        patience.as_secs_f64()
    )])
}
