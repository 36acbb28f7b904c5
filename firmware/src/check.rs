//! `lastlayerd check`: looks at everything that the configuration names on the machine that it
//! stands on, and says in plain words what is wrong.

use std::{
    io::{Write, stdout},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::bail;
use lastlayer_shared::{
    backbone::Backbone,
    error::one_line,
    file,
    package::{MAX_SIZE, Package},
};

use crate::{
    camera::{CameraNews, Keeper, Settings as CameraSettings, Step},
    config::Config,
    log::LogError,
    memory::{Memory, MemoryError},
    outputs,
    panel::gpio::{self, Opener},
    teachings::Teachings,
    trust,
};

/// Longer than a CSI camera's program may take for its first frame.
const STARTING: Duration = Duration::from_secs(20);

/// What one look found: what is well, or what is wrong, one line each.
type Found = Result<String, Vec<String>>;

/// Prints a line a thing; an error says how many are wrong.
pub fn run(config: &Config) -> anyhow::Result<()> {
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
    let (backbone, package) = match open_package(config) {
        Ok((text, backbone, package)) => {
            say("package", Ok(text))?;
            (Some(backbone), Some(package))
        }
        Err(problem) => {
            say("package", Err(vec![problem]))?;
            (None, None)
        }
    };
    let (found, classes) = state(config.state.as_deref(), backbone.as_ref(), package);
    say("state", found)?;
    say("camera", camera(&config.camera))?;
    let listing = gpio::list();
    let mut opener = Opener::new(&listing);
    let problems = config.panel.problems(&mut opener);
    let chip = config.panel.chip.as_deref();
    let of_outputs = outputs::problems(&config.outputs, chip, &mut opener);
    let panel = match config.panel.is_empty() {
        true => "none: nothing can be taught without --panel keyboard".into(),
        false => "every line is there and free".into(),
    };
    say("panel", none_or(problems, panel))?;
    let count = config.outputs.len();
    say("outputs", none_or(of_outputs, format!("{count}")))?;
    // Classes may still be added or renamed: nothing is wrong with waiting for one.
    if let Some(classes) = &classes {
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

fn open_package(config: &Config) -> Result<(String, Backbone, Package), String> {
    let path = config
        .package
        .as_deref()
        .ok_or("which package? `package` is not in the configuration")?;
    let bytes = file::read(path, MAX_SIZE).map_err(|error| one_line(&error))?;
    let package = trust::open_package(&bytes, &config.trust)
        .map_err(|error| format!("{}: {}", path.display(), one_line(&error)))?;
    let backbone =
        Backbone::load(&package.backbone, &package.preprocess).map_err(|error| one_line(&error))?;
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
    Ok((text, backbone, package))
}

/// With the classes of the board, where they are known.
fn state(
    folder: Option<&Path>,
    backbone: Option<&Backbone>,
    package: Option<Package>,
) -> (Found, Option<Vec<String>>) {
    let starting = package.as_ref().map(|package| package.classes.clone());
    let Some(folder) = folder else {
        let text = "none: what is taught is gone when the program ends";
        return (Ok(text.into()), starting);
    };
    // Opening would make it.
    match folder.try_exists() {
        Ok(true) => {}
        Ok(false) => {
            let text = format!("{} is not there yet and will be made", folder.display());
            return (Ok(text), starting);
        }
        Err(error) => {
            let text = format!("{} cannot be looked into: {error}", folder.display());
            return (Err(vec![text]), starting);
        }
    }
    let memory = match backbone {
        Some(backbone) => Memory::open(Some(folder), backbone.id(), backbone.width()),
        None => Memory::open_any(folder),
    };
    match memory {
        Ok(memory) => {
            let text = format!("{}: {} samples", folder.display(), memory.samples().len());
            let classes =
                package.map(|package| Teachings::new(package, String::new(), memory).classes());
            (Ok(text), classes)
        }
        // Whoever runs holds the camera and the lines, and is asked for the classes.
        Err(MemoryError::InUse(_)) => {
            let text = format!("{}: lastlayerd runs on it", folder.display());
            (Ok(text), None)
        }
        Err(error) => (Err(vec![one_line(&error)]), None),
    }
}

/// Waits for its first frame.
fn camera(settings: &CameraSettings) -> Found {
    let settings = CameraSettings {
        wait: false,
        ..settings.clone()
    };
    let failed = |error: &dyn std::error::Error| vec![one_line(error)];
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
