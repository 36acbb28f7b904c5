//! Packages are tried here before they run: whose they are, whether their network does what it should
//! on this machine, and whether it does as well as the one before on what was taught here.

use std::{
    io::Write,
    time::{Duration, Instant},
};

use lastlayer_shared::{
    backbone::{Backbone, Embedder},
    error::one_line,
    guard::{self, Judged, Opinion},
    head::Layout,
    operators::Operators,
    package::Package,
};
use serde::Deserialize;

use crate::{
    log::{Event, Log, LogError},
    look::in_size,
    memory::Memory,
    service::Service,
    slots::{self, Network, News},
    stop::Stop,
    teachings::{Starting, fit},
    trust,
};

/// Between two words about how far moving samples has come.
const WORD: Duration = Duration::from_secs(5);
/// What systemd is asked to wait for the next word.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a new package proves itself: the `[update]` table.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// It must have watched for so many seconds, 0..=86400; where it ends the program before, a few
    /// times, the one before comes back.
    pub seconds: f64,
    /// It is refused where it calls the samples that were taught here wrongly more often than the one
    /// before, by more than so many points, the mean over classes, 0..=100.
    pub points: f64,
    /// And by more than so many samples.
    pub samples: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let guard::Settings { points, samples } = guard::Settings::default();
        Self {
            seconds: 60.0,
            points,
            samples,
        }
    }
}

impl Settings {
    /// What is out of range, as a line that names it.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=86400.0).contains(&self.seconds) {
            return Err("update.seconds: give a number from 0 to 86400".into());
        }
        match (0.0..=100.0).contains(&self.points) {
            true => Ok(()),
            false => Err("update.points: give a number from 0 to 100".into()),
        }
    }
}

/// A package whose network runs here.
pub struct Opened {
    pub version: u64,
    pub starting: Starting,
    pub backbone: Backbone,
    pub embedder: Embedder,
    /// The self-test's largest relative difference.
    pub self_test: f64,
}

impl Opened {
    /// Loads the network, and lets it do its self-test. `id` stands for the package.
    pub fn new(package: Package, id: String, operators: Operators) -> Result<Self, String> {
        let wrong = |error: &dyn std::error::Error| one_line(error);
        let backbone = Backbone::load_with(&package.backbone, &package.preprocess, operators);
        let backbone = backbone.map_err(|error| wrong(&error))?;
        let mut embedder = backbone.embedder().map_err(|error| wrong(&error))?;
        let self_test = package.run_self_test(&mut embedder);
        Ok(Self {
            self_test: self_test.map_err(|error| wrong(&error))?,
            version: package.version,
            starting: Starting::new(package, id),
            backbone,
            embedder,
        })
    }
}

impl Network for Opened {
    fn backbone(&self) -> &str {
        self.backbone.id()
    }

    fn width(&self) -> usize {
        self.backbone.width()
    }

    fn embed(&mut self, crop: &[u8]) -> Result<Vec<f32>, String> {
        let crop = in_size(crop, self.backbone.preprocess())?;
        let embedding = self.embedder.embed_crop(&crop);
        embedding.map_err(|error| one_line(&error))
    }
}

pub struct Examiner<'a, W: Write> {
    pub trust: &'a trust::Settings,
    pub settings: Settings,
    pub operators: Operators,
    pub log: &'a mut Log<W>,
    pub stop: &'a Stop,
    /// Another package runs than the one that should.
    pub refused: bool,
    /// The log cannot be written.
    pub failed: Option<LogError>,
    start: Instant,
    word: Instant,
}

impl<'a, W: Write> Examiner<'a, W> {
    pub fn new(
        trust: &'a trust::Settings,
        settings: Settings,
        operators: Operators,
        log: &'a mut Log<W>,
        stop: &'a Stop,
    ) -> Self {
        let now = Instant::now();
        Self {
            trust,
            settings,
            operators,
            log,
            stop,
            refused: false,
            failed: None,
            start: now,
            word: now,
        }
    }

    fn say(&mut self, step: &'static str, text: &str) {
        let time = self.start.elapsed().as_secs_f64();
        let written = self.log.write(&Event::Package { time, step, text });
        self.failed = self.failed.take().or(written.err());
    }
}

impl<W: Write> slots::Examiner for Examiner<'_, W> {
    type Package = (Package, String);
    type Network = Opened;

    fn verify(
        &mut self,
        bytes: &[u8],
        follows: Option<u64>,
    ) -> Result<(u64, Self::Package), String> {
        let package = trust::open_package(bytes, self.trust).map_err(|error| one_line(&error))?;
        let version = package.version;
        let newer = self.trust.check_version(follows, version);
        newer.map_err(|error| one_line(&error))?;
        Ok((version, (package, lastlayer_shared::file::sha256(bytes))))
    }

    fn load(&mut self, (package, id): Self::Package) -> Result<Opened, String> {
        Opened::new(package, id, self.operators)
    }

    fn cost(&mut self, before: (&Opened, &Memory), after: (&Opened, &Memory)) -> Option<String> {
        let limits = guard::Settings {
            points: self.settings.points,
            samples: self.settings.samples,
        };
        compare(
            &limits,
            (&before.0.starting, before.0.backbone.layout(), before.1),
            (&after.0.starting, after.0.backbone.layout(), after.1),
        )
    }

    fn moved(&mut self, samples: usize, of: usize) -> bool {
        if self.word.elapsed() >= WORD {
            self.word = Instant::now();
            Service::wait_for(PATIENCE);
            let text = format!("{samples} of {of} samples are looked at again by its network");
            self.say("moving", &text);
        }
        !self.stop.asked() && self.failed.is_none()
    }

    fn tell(&mut self, news: News) {
        match news {
            // What is offered runs, whatever went for it.
            News::Installed { .. } => self.refused = false,
            News::Refused { .. } | News::Back { .. } => self.refused = true,
            News::Note { .. } => {}
        }
        for (step, text) in words(news, self.settings.seconds) {
            self.say(step, &text);
        }
    }
}

/// For a person: what a log line of it is called, and its text.
fn words(news: News, seconds: f64) -> Vec<(&'static str, String)> {
    match news {
        News::Installed {
            version,
            samples,
            proves,
        } => {
            let moved = match samples {
                0 => String::new(),
                samples => format!(" with {samples} samples that were taught here"),
            };
            let proves = match proves {
                true => format!(
                    "; it proves itself by watching for {seconds:.0} seconds, else the one before \
                     comes back"
                ),
                false => String::new(),
            };
            vec![(
                "installed",
                format!("version {version} is installed{moved}{proves}"),
            )]
        }
        News::Refused { running, why } => vec![(
            "refused",
            format!("{why}; version {running}, which is installed, runs"),
        )],
        News::Back {
            version,
            of,
            why,
            left,
            unread,
        } => {
            let mut lines = vec![(
                "back",
                format!("version {version} is back in place of version {of}: {why}"),
            )];
            lines.extend(left.into_iter().map(|(burst, why)| {
                let text = format!("burst {burst} could not come along: {why}");
                ("note", text)
            }));
            lines.extend(unread.map(|why| {
                let text = format!("what was taught since could not come along: {why}");
                ("note", text)
            }));
            lines
        }
        News::Note { text } => vec![("note", text)],
    }
}

/// What a head makes of each sample that was taught here, without having seen its burst: its class,
/// and what it is called. And whether there is a head.
type Called = (bool, Vec<(String, Option<String>)>);

/// What is taught, by the package and here, and what its embeddings are.
type Taught<'a> = (&'a Starting, &'a Layout, &'a Memory);

fn called((starting, layout, memory): Taught<'_>) -> Result<Called, String> {
    let classes = starting.classes(memory);
    let examples = starting.examples(memory, &classes);
    let (head, called) = fit(layout, &examples).map_err(|error| one_line(&error))?;
    let name = |class: usize| classes.get(class).cloned().unwrap_or_default();
    let all = examples.iter().zip(called);
    let own = all.skip(examples.len() - memory.len());
    let own = own.map(|(example, called)| (name(example.class), called.map(name)));
    Ok((head.is_some(), own.collect()))
}

/// Why a package does too badly on what was taught here, where it does.
fn compare(limits: &guard::Settings, before: Taught<'_>, after: Taught<'_>) -> Option<String> {
    let after = match called(after) {
        Ok(after) => after,
        Err(why) => return Some(format!("no head can be fitted on its embeddings: {why}")),
    };
    // Where the one before does not do either, nothing is lost.
    let (could, before) = called(before).ok()?;
    let (can, after) = after;
    if could && !can {
        return Some("it brings too few classes to tell anything apart here".into());
    }
    // A class may be of one of them only: what counts is its name.
    let mut names: Vec<&str> = Vec::new();
    let mut judged = Vec::new();
    for ((class, before), (_, after)) in before.iter().zip(&after) {
        let mut number = |name| match names.iter().position(|known| *known == name) {
            Some(number) => number,
            None => {
                names.push(name);
                names.len() - 1
            }
        };
        judged.push(Judged {
            class: number(class),
            before: before.as_deref().map(&mut number),
            after: after.as_deref().map(&mut number),
        });
    }
    let (Opinion::TooDear { points, most }, _) = guard::judge(limits, &judged) else {
        return None;
    };
    Some(format!(
        "the accuracy on the {} samples that were taught here would fall by {points:.0} points; {} \
         would be taken for {}, {} of {} samples",
        judged.len(),
        names[most.class],
        names[most.called],
        most.lost,
        most.of
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        memory::tests::memory,
        upkeep::tests::{burst, package},
    };

    #[test]
    fn a_package_that_leaves_no_head_is_worse() {
        let mut taught = memory("net", 2);
        taught.add_burst("car", burst(3)).unwrap();
        let starting = || Starting::new(package(), String::new());
        let mut bare = package();
        bare.samples.clear();
        let bare = Starting::new(bare, String::new());
        let limits = guard::Settings::default();
        let layout = Layout::plain(2);
        let cost = |before: &Starting, after: &Starting| {
            compare(
                &limits,
                (before, &layout, &taught),
                (after, &layout, &taught),
            )
        };
        assert_eq!(cost(&starting(), &starting()), None);
        let too_few = cost(&starting(), &bare).unwrap();
        assert!(too_few.contains("too few classes"), "{too_few}");
        // Where the one before had none either, nothing is lost.
        assert_eq!(cost(&bare, &bare), None);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let seconds = Settings {
            seconds: -1.0,
            ..Settings::default()
        };
        let points = Settings {
            points: f64::NAN,
            ..Settings::default()
        };
        assert!(seconds.check().unwrap_err().starts_with("update.seconds:"));
        assert!(points.check().unwrap_err().starts_with("update.points:"));
    }
}
