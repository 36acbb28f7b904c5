//! New packages on a board that was taught: they take over, or the one before comes back.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use lastlayer_firmware::{examiner::Opened, slots::Network};
use lastlayer_host::{evaluate::draw, photos::labelled};
use lastlayer_shared::{
    backbone::Backbone,
    frame::Frame,
    head::{Example, Head, Kind},
    operators::Operators,
    package::Package,
    view::View,
};

use crate::{
    export::every_eighth,
    site::{CONFIG, Site},
    support::*,
};

/// Cars and trucks are taught, two bursts of each; then trucks come that were never taught.
const TEACH: &str = "
    0 show car
    0 press teach
    0.2 release teach
    2 press teach
    2.2 release teach
    4 press next
    4.1 release next
    4.2 press next
    4.3 release next
    5 show truck
    5 press teach
    5.2 release teach
    7 press teach
    7.2 release teach
    9 show new
    10.9 end";
/// Trucks come that were never taught.
const WATCH: &str = "0 show new\n1.9 end";
/// Trucks are taught, and it does not end by itself.
const TEACH_ON: &str = "
    0 press next
    0.1 release next
    0.2 press next
    0.3 release next
    0.4 show new
    0.5 press teach
    0.7 release teach
    600 end";

struct Bench(Site);

impl Bench {
    /// A board with a package of version 1 that was taught.
    fn new() -> Self {
        let bench = Self(Site::new());
        let told = bench.run(&bench.0.path("site.llp"), TEACH, "");
        assert_eq!(named(&told, "learned").len(), 4);
        let installed = texts(&told, "installed");
        assert_eq!(installed, ["version 1 is installed"]);
        bench
    }

    /// `more`: of the configuration.
    fn board(&self, package: &Path, scene: &str, more: &str) -> Command {
        let (config, story) = (self.0.path("updates.toml"), self.0.path("updates.scene"));
        fs::write(&config, format!("{CONFIG}{more}")).unwrap();
        fs::write(&story, scene).unwrap();
        let mut board = lastlayerd();
        let camera = format!("folder:{}", self.0.path("camera").display());
        board.arg("--config").arg(config);
        board.arg("--package").arg(package);
        board.arg("--state").arg(self.0.path("state"));
        board.args(["--camera", &camera, "--log", "json"]);
        board.arg("--scene").arg(story);
        board
    }

    fn run(&self, package: &Path, scene: &str, more: &str) -> Vec<serde_json::Value> {
        events(&succeed(&mut self.board(package, scene, more)))
    }

    /// Runs until something was learned, and is killed then.
    fn kill_after_learning(&self, package: &Path) -> Vec<serde_json::Value> {
        let mut board = self.board(package, TEACH_ON, "");
        let mut child = board.stdout(Stdio::piped()).spawn().unwrap();
        let mut told = Vec::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            let learned = event["event"] == "learned";
            told.push(event);
            if learned {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        told
    }

    /// The package of version 1 with changes, as its maker would sign it.
    fn package(&self, version: u64, change: impl FnOnce(&mut Package)) -> PathBuf {
        let mut package = Package::open(&self.0.path("site.llp")).unwrap();
        change(&mut package);
        package.version = version;
        let path = self.0.path(&format!("{version}.llp"));
        package.save(&path).unwrap();
        succeed(lastlayer().arg("sign").arg(&path).arg("--key").arg(key()));
        path
    }

    fn lines(&self, words: &[&str]) -> String {
        let mut command = lastlayerd();
        command.args(words).arg("--state").arg(self.0.path("state"));
        succeed(&mut command)
    }
}

/// What was said of packages in this step.
fn texts<'a>(events: &'a [serde_json::Value], step: &str) -> Vec<&'a str> {
    named(events, "package")
        .into_iter()
        .filter(|event| event["step"] == step)
        .map(|event| event["text"].as_str().unwrap())
        .collect()
}

/// The version that watches, and how many samples each class has.
fn ready(events: &[serde_json::Value]) -> (u64, serde_json::Value) {
    let ready = named(events, "ready")[0];
    let version = ready["package_version"].as_u64().unwrap();
    (version, ready["samples"].clone())
}

fn trucks(events: &[serde_json::Value]) -> usize {
    let verdicts = named(events, "verdict").into_iter();
    let new = verdicts.filter(|event| event["photo"].as_str().unwrap().starts_with("new/"));
    new.filter(|event| event["class"] == "truck").count()
}

#[test]
fn a_newer_package_takes_over_what_was_taught_and_proves_itself() {
    let bench = Bench::new();
    let before = trucks(&bench.run(&bench.0.path("site.llp"), WATCH, ""));
    assert!(before >= 12, "{before} of 20");
    // The same network, and another for smaller pictures.
    let smaller = bench.0.path("smaller.onnx");
    let mut export = lastlayer();
    export.args(["export", "mobilenet-v2", "--input-size", "128", "-o"]);
    succeed(export.arg(&smaller));
    let starting = bench.0.path("start");
    let mut package = lastlayer();
    package
        .arg("package")
        .arg(&smaller)
        .arg("--photos")
        .arg(starting);
    package.args(["--classes", "car,bird,truck", "--version", "3", "--key"]);
    let third = bench.0.path("3.llp");
    succeed(package.arg(key()).arg("-o").arg(&third));
    for (version, package) in [(2, bench.package(2, |_| {})), (3, third)] {
        let told = bench.run(&package, WATCH, "[update]\nseconds = 1.0\n");
        let installed = texts(&told, "installed");
        assert_eq!(installed.len(), 1, "{told:?}");
        assert!(
            installed[0].starts_with(&format!(
                "version {version} is installed with 40 samples that were taught here; it proves"
            )),
            "{installed:?}"
        );
        assert_eq!(
            texts(&told, "proved"),
            [format!("version {version} has proved itself")]
        );
        assert_eq!(ready(&told), (version, serde_json::json!([40, 20, 20])));
        let after = trucks(&told);
        assert!(after + 4 >= before, "{after} and {before} of 20");
        let again = bench.run(&package, WATCH, "");
        assert!(named(&again, "package").is_empty());
        assert_eq!(trucks(&again), after);
    }
    // Nothing of the first network is left.
    assert!(
        bench
            .lines(&["packages", "list"])
            .contains("the one before; can come back")
    );
    assert!(
        fs::read_dir(bench.0.path("state/b/bursts"))
            .unwrap()
            .next()
            .is_none()
    );
}

#[test]
fn a_package_that_does_worse_or_fails_its_self_test_is_refused() {
    let bench = Bench::new();
    let worse = bench.package(2, |package| {
        // So dark that the network sees nothing.
        package.preprocess.mean = [1e8; 3];
        package.samples.clear();
        package.head = None;
        let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
        let mut embedder = backbone.embedder().unwrap();
        for test in &mut package.self_test {
            test.embedding = embedder.embed_crop(&test.crop).unwrap();
        }
    });
    let broken = bench.package(3, |package| {
        package.self_test[0].embedding[0] += 1e3;
    });
    for (package, expected) in [
        (
            &worse,
            "2.llp: the accuracy on the 40 samples that were taught here would fall by",
        ),
        (&broken, "3.llp: self-test"),
    ] {
        let told = bench.run(package, WATCH, "");
        let refused = texts(&told, "refused");
        assert!(
            refused.len() == 1
                && refused[0].contains(expected)
                && refused[0].ends_with("version 1, which is installed, runs"),
            "{refused:?}"
        );
        assert_eq!(ready(&told), (1, serde_json::json!([40, 20, 20])));
        assert!(trucks(&told) >= 12);
        // It is remembered, and not tried at every start.
        let again = bench.run(package, WATCH, "");
        assert!(texts(&again, "refused")[0].contains(": it was refused: "));
        let list = bench.lines(&["packages", "list"]);
        assert!(list.contains("refused: "), "{list}");
    }
    // `check` says so before anybody starts it.
    let mut check = lastlayerd();
    check.arg("check").arg("--package").arg(&worse);
    check.arg("--state").arg(bench.0.path("state"));
    let camera = format!("folder:{}", bench.0.path("camera/car").display());
    let output = check.args(["--camera", &camera]).output().unwrap();
    let said = text(&output.stdout);
    assert!(
        said.contains("wrong  state   version 1 runs: version 2 was refused: the accuracy"),
        "{said}"
    );
    // Who knows better may say so.
    assert!(
        bench
            .lines(&["packages", "retry"])
            .contains("tries the package again")
    );
    let told = bench.run(&worse, WATCH, "[update]\npoints = 100.0\n");
    assert_eq!(ready(&told).0, 2);
}

#[test]
fn a_package_that_ends_the_program_goes_and_what_was_taught_meanwhile_stays() {
    let bench = Bench::new();
    // Another network, as far as anybody can tell: its preprocessing differs by a hair.
    let package = bench.package(2, |package| {
        package.preprocess.crop_fraction = 0.874;
    });
    for (start, trucks) in [(1, 20), (2, 30), (3, 40)] {
        let told = bench.kill_after_learning(&package);
        assert_eq!(
            ready(&told),
            (2, serde_json::json!([40, 20, trucks])),
            "{start}"
        );
    }
    let told = bench.run(&package, WATCH, "");
    let back = texts(&told, "back");
    assert_eq!(
        back,
        [
            "version 1 is back in place of version 2: it ended the program 3 times before it had \
          proved itself"
        ]
    );
    assert_eq!(ready(&told), (1, serde_json::json!([40, 20, 50])));
    assert_eq!(texts(&told, "refused").len(), 0);
    let list = bench.lines(&["samples", "list"]);
    assert_eq!(list.lines().count(), 8, "{list}");
    let again = bench.run(&package, WATCH, "");
    assert!(texts(&again, "refused")[0].contains("ended the program 3 times"));
}

#[test]
fn a_person_goes_back_to_the_package_before() {
    let bench = Bench::new();
    let mut nothing = lastlayerd();
    nothing.args(["packages", "back", "--state"]);
    let message = fail(nothing.arg(bench.0.path("state")), 1);
    assert!(
        message.contains("there is no package before this one"),
        "{message}"
    );
    let package = bench.package(2, |_| {});
    bench.run(&package, TEACH, "[update]\nseconds = 1.0\n");
    let said = bench.lines(&["packages", "back"]);
    assert!(
        said.contains("version 1 comes back at the next start"),
        "{said}"
    );
    let told = bench.run(&package, WATCH, "");
    assert_eq!(
        texts(&told, "back"),
        ["version 1 is back in place of version 2: sent back by hand"]
    );
    assert_eq!(ready(&told), (1, serde_json::json!([60, 20, 40])));
}

/// A network of this input size, as a board runs it.
fn network(size: &str) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, llp) = (
        folder.path().join("net.onnx"),
        folder.path().join("net.llp"),
    );
    let mut export = lastlayer();
    export.args(["export", "mobilenet-v2", "--input-size", size, "-o"]);
    succeed(export.arg(&onnx));
    succeed(lastlayer().arg("package").arg(&onnx).arg("-o").arg(&llp));
    Opened::new(
        Package::open(&llp).unwrap(),
        String::new(),
        Operators::default(),
    )
    .unwrap()
}

/// Accuracy in per cent on photos that were not taught, the mean of 20 splits with 20 photos a class:
/// of a board that was taught with the new network, and of one that was taught with the old one and
/// has looked at its crops again.
fn taught_and_moved(old: &str, new: &str, photos: &Path) -> (f64, f64) {
    const SHOTS: usize = 20;
    const SPLITS: u64 = 20;
    let photos = labelled(photos).unwrap();
    let old = network(old);
    let mut new = network(new);
    let mut embeddings: [Vec<Vec<f32>>; 2] = Default::default();
    for (_, path) in &photos.photos {
        let photo = Frame::open(path).unwrap();
        let rules = old.backbone.preprocess();
        let kept = rules.crop(&photo, &View::default()).unwrap();
        embeddings[0].push(new.embedder.embed(&photo).unwrap());
        embeddings[1].push(new.embed(&kept.to_jpeg().unwrap()).unwrap());
    }
    let labels: Vec<usize> = photos.photos.iter().map(|(class, _)| *class).collect();
    let [taught, moved] = embeddings.each_ref().map(|learned| {
        let mut sum = 0.0;
        for split in 0..SPLITS {
            let chosen = draw(&labels, photos.classes.len(), SHOTS, 0, split);
            let examples: Vec<Example<'_>> = chosen
                .iter()
                .map(|photo| Example {
                    embedding: &learned[*photo],
                    class: labels[*photo],
                    burst: *photo as u32,
                })
                .collect();
            let head = Head::fit(Kind::default(), new.backbone.layout(), &examples).unwrap();
            let rest: Vec<usize> = (0..labels.len()).filter(|i| !chosen.contains(i)).collect();
            // The camera is looked at by the new network in either case.
            let right = |photo: &&usize| {
                let answer = head.answer(&embeddings[0][**photo]).unwrap();
                answer.class == labels[**photo]
            };
            sum += rest.iter().filter(right).count() as f64 / rest.len() as f64;
        }
        sum * 100.0 / SPLITS as f64
    });
    println!(
        "{old:?} to {new:?}: taught {taught:.1}, moved {moved:.1}",
        old = old.backbone.preprocess().input_size,
        new = new.backbone.preprocess().input_size
    );
    (taught, moved)
}

#[test]
fn what_was_looked_at_again_is_worth_as_much() {
    let folder = tempfile::tempdir().unwrap();
    let cifar = folder.path().join("cifar");
    for class in pictures().0.keys() {
        write_photos(&cifar.join(class), class, 0, 40);
    }
    let (taught, moved) = taught_and_moved("64", "64", &cifar);
    assert!(moved > taught - 1.0, "{moved} and {taught}");
    let Some(vehicles) = shared_data("vehicles") else {
        return skip("../shared");
    };
    let photos = folder.path().join("vehicles");
    every_eighth(&vehicles, &photos, 8);
    let (taught, moved) = taught_and_moved("224", "224", &photos);
    assert!(moved > taught - 1.0, "{moved} and {taught}");
    // Of another size.
    taught_and_moved("224", "128", &photos);
    taught_and_moved("128", "224", &photos);
}
