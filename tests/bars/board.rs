//! The board's program on its full network and frames of 640 x 480 pixels, YUYV.

use std::{
    fs,
    hint::black_box,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use lastlayer_firmware::camera::PixelFormat;
use lastlayer_host::statistics;
use lastlayer_shared::{
    backbone::Backbone,
    head::{Example, Head, Kind},
    package::Package,
    verdict::Verdict,
    view::View,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{RUNS, lastlayer, median};

const WIDTH: u32 = 640;
const HEIGHT: u32 = 480;
const CLASSES: usize = 4;
/// Frames of a class, which the camera shows again and again.
const SHOWN: usize = 16;
/// Frames whose cost is measured.
const LOOKS: usize = 60;

pub fn measure(frames: u64, strict: bool) {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, package) = (folder.path().join("a.onnx"), folder.path().join("a.llp"));
    lastlayer(&["export"], ["mobilenet-v2".as_ref(), &onnx]);
    lastlayer(
        &["package", "--classes", "one,two,three,four"],
        [&onnx, &package],
    );
    for class in 0..CLASSES {
        let frames: Vec<u8> = (0..SHOWN).flat_map(|shift| picture(class, shift)).collect();
        fs::write(folder.path().join(class.to_string()), frames).unwrap();
    }
    looking(&package, strict);
    living(folder.path(), &package, frames, strict);
}

/// A wavy pattern of its own for each class, moved a little from frame to frame, YUYV.
fn picture(class: usize, shift: usize) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64((class * SHOWN + shift) as u64);
    let (a, b) = (0.02 + 0.03 * class as f32, 0.11 - 0.02 * class as f32);
    let mut bytes = Vec::with_capacity((WIDTH * HEIGHT * 2) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (x, y) = ((x as usize + 7 * shift) as f32, y as f32);
            let wave = (x * a + y * b).sin() * (x * b - y * a).cos();
            let noise: f32 = random.random();
            bytes.push((125.0 + 90.0 * wave + 8.0 * noise) as u8);
            bytes.push(if bytes.len() % 4 == 1 { 110 } else { 140 });
        }
    }
    bytes
}

/// Frame in to verdict out against the network alone, in turn, one thread.
fn looking(path: &Path, strict: bool) {
    let load = || {
        let package = Package::open(path).unwrap();
        let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
        (package, backbone)
    };
    let load_ms = median(|| drop(load()));
    let (package, backbone) = load();
    let mut embedder = backbone.embedder().unwrap();
    let preprocess = backbone.preprocess();
    let embeddings: Vec<Vec<f32>> = (0..CLASSES * 20)
        .map(|i| {
            let bytes = picture(i % CLASSES, i / CLASSES % SHOWN);
            let frame = PixelFormat::Yuyv.decode(WIDTH, HEIGHT, WIDTH * 2, &bytes);
            embedder.embed(&frame.unwrap()).unwrap()
        })
        .collect();
    let examples: Vec<Example<'_>> = embeddings
        .iter()
        .enumerate()
        .map(|(i, embedding)| Example {
            embedding,
            class: i % CLASSES,
            burst: (i / CLASSES) as u32,
        })
        .collect();
    let head = Head::fit(Kind::default(), backbone.layout(), &examples).unwrap();
    let bytes = picture(0, 0);
    let decode = || {
        PixelFormat::Yuyv
            .decode(WIDTH, HEIGHT, WIDTH * 2, &bytes)
            .unwrap()
    };
    let crop = preprocess.crop(&decode(), &View::default()).unwrap();
    let numbers = preprocess.normalise(&crop).unwrap();
    let (mut alone, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..LOOKS {
        let start = Instant::now();
        black_box(embedder.run(&numbers).unwrap());
        alone.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let crop = preprocess.crop(&decode(), &View::default()).unwrap();
        let embedding = embedder.embed_crop(&crop).unwrap();
        let answers = head.confidences(&embedding);
        black_box(Verdict::best(answers.as_deref(), &package.classes));
        whole.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let (alone, whole) = (statistics::median(&alone), statistics::median(&whole));
    println!("\nloading a package, full backbone at 224 px: {load_ms:.0} ms (median of {RUNS})");
    println!(
        "frame of {WIDTH} x {HEIGHT} YUYV in to verdict out: {whole:.1} ms, the network alone \
         {alone:.1} ms: {:+.1}% (median of {LOOKS})",
        (whole / alone - 1.0) * 100.0
    );
    assert!(
        !strict || whole <= 1.15 * alone,
        "more than 15% beside the network"
    );
}

/// The program on a camera: from the end of a burst to the first verdict of the new head, and memory.
fn living(folder: &Path, package: &Path, frames: u64, strict: bool) {
    let which = folder.join("which");
    let show = |class: usize| fs::write(&which, class.to_string()).unwrap();
    show(0);
    let place = folder.display();
    let size = WIDTH * HEIGHT * 2;
    let camera = format!(
        "pipe:i=0; while dd if={place}/$(cat {place}/which) bs={size} skip=$i count=1 2>{place}/dd; \
         do i=$(((i + 1) % {SHOWN})); sleep 0.01; done"
    );
    let config = folder.join("board.toml");
    fs::write(&config, "[camera]\nformat = 'YUYV'\n").unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_lastlayer-under-test"))
        .args(["lastlayerd", "--unsigned"])
        .args(["--log", "json", "--panel", "keyboard"])
        .arg("--config")
        .arg(&config)
        .arg("--package")
        .arg(package)
        .arg("--state")
        .arg(folder.join("state"))
        .args(["--camera", &camera, "--frames", &frames.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut board = Board::new(child);
    let mut times = Vec::new();
    // The last burst is beyond what the bar asks for: 100 samples, for the memory.
    for press in 0..CLASSES * 2 + 2 {
        let class = press % CLASSES;
        show(class);
        for _ in 0..5 {
            board.wait(|event| event["event"] == "verdict");
        }
        let key = [b'1' + class as u8];
        board.keys.write_all(&key).unwrap();
        board.keys.flush().unwrap();
        let end = board.wait(|event| event["state"] == "training");
        board.wait(|event| event["event"] == "learned");
        let verdict = board.wait(|event| event["event"] == "verdict");
        let seconds = |event: &serde_json::Value| event["time"].as_f64().unwrap();
        let looked = verdict["ms"].as_f64().unwrap();
        times.push((seconds(&verdict) - seconds(&end)) * 1e3 + looked);
    }
    let with = &times[CLASSES * 2 - 1..];
    println!(
        "\nend of a burst to the first verdict of the new head, {CLASSES} classes of 20 and more: {} ms",
        with.iter()
            .map(|ms| format!("{ms:.0}"))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let at = |board: &mut Board, frame: u64| {
        board.wait(|event| event["frame"].as_u64() >= Some(frame));
        board.megabytes("VmRSS:")
    };
    let quarter = at(&mut board, frames / 4);
    let last = at(&mut board, frames - 2);
    println!(
        "memory with 100 samples: {quarter:.1} MB resident after {} frames, {last:.1} MB after \
         {frames}, {:.1} MB at most",
        frames / 4,
        board.megabytes("VmHWM:")
    );
    assert!(last < 80.0, "more than 80 MB resident");
    assert!(
        !strict || last - quarter < 1.0,
        "memory grows while watching"
    );
}

struct Board {
    child: Child,
    keys: std::process::ChildStdin,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Board {
    fn new(mut child: Child) -> Self {
        Self {
            keys: child.stdin.take().unwrap(),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        }
    }

    fn wait(&mut self, wanted: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
        for line in self.lines.by_ref() {
            let event: serde_json::Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert!(event["event"] != "refused", "{event}");
            if wanted(&event) {
                return event;
            }
        }
        panic!("the board's program has ended");
    }

    /// A line of Linux's about the process.
    fn megabytes(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name));
        let kb = line.unwrap().split_whitespace().nth(1).unwrap();
        kb.parse::<f64>().unwrap() / 1024.0
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
