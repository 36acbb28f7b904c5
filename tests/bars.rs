//! `cargo bench --workspace --bench bars`: the times that the documents state, measured in one run.
//! Nothing is asserted: machines differ.

use std::{hint::black_box, process::Command, time::Instant};

use lastlayer_host::statistics;
use lastlayer_shared::{
    backbone::Backbone,
    head::{Example, Head, Kind},
    package::Package,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const WIDTH: usize = 1280;
const CLASSES: usize = 6;
const RUNS: usize = 7;

fn main() {
    heads();
    loading();
}

/// Median milliseconds of several runs.
fn median(mut run: impl FnMut()) -> f64 {
    let time = |_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    };
    statistics::median(&(0..RUNS).map(time).collect::<Vec<f64>>())
}

fn heads() {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let centres: Vec<Vec<f32>> = (0..CLASSES)
        .map(|_| (0..WIDTH).map(|_| random.random::<f32>()).collect())
        .collect();
    // Like embeddings of a network that ends in ReLU6 and an average: none below 0.
    let per_class = 200;
    let embeddings: Vec<(usize, Vec<f32>)> = (0..CLASSES * per_class)
        .map(|i| {
            let class = i % CLASSES;
            let noisy = centres[class]
                .iter()
                .map(|v| (v + random.random::<f32>() * 2.0 - 1.0).max(0.0));
            (class, noisy.collect())
        })
        .collect();
    println!("head training, {CLASSES} classes, {WIDTH} numbers, one thread, median of {RUNS}, ms");
    println!(
        "{:10} {:>8} {:>8} {:>8} {:>8}   200 : 20",
        "head", 20, 50, 100, 200
    );
    for kind in Kind::ALL {
        let times = [20, 50, 100, 200].map(|count| {
            let examples: Vec<Example<'_>> = embeddings[..CLASSES * count]
                .iter()
                .enumerate()
                .map(|(burst, (class, embedding))| Example {
                    embedding,
                    class: *class,
                    burst: burst as u32,
                })
                .collect();
            median(|| drop(black_box(Head::fit(kind, &examples).unwrap())))
        });
        let [a, b, c, d] = times;
        println!(
            "{:10} {a:8.1} {b:8.1} {c:8.1} {d:8.1}   {:8.1}",
            kind.name(),
            d / a
        );
    }
}

fn loading() {
    let folder = tempfile::tempdir().unwrap();
    let (onnx, package) = (folder.path().join("a.onnx"), folder.path().join("a.llp"));
    let run = |arguments: &[&str], paths: [&std::path::Path; 2]| {
        let status = Command::new(env!("CARGO_BIN_EXE_lastlayer-under-test"))
            .args(arguments)
            .arg(paths[0])
            .arg("--output")
            .arg(paths[1])
            .output()
            .unwrap()
            .status;
        assert!(status.success());
    };
    run(&["export"], ["mobilenet-v2".as_ref(), &onnx]);
    run(&["package"], [&onnx, &package]);
    let load = || {
        let package = Package::open(&package).unwrap();
        let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
        (package, backbone)
    };
    let load_ms = median(|| drop(load()));
    let (package, backbone) = load();
    let mut embedder = backbone.embedder().unwrap();
    let crop = &package.self_test[0].crop;
    let frame_ms = median(|| drop(embedder.embed_crop(crop).unwrap()));
    println!("\nloading a package, full backbone at 224 px: {load_ms:.0} ms");
    println!("one frame through it: {frame_ms:.1} ms");
}
