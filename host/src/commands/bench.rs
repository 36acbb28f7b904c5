//! `lastlayer bench`: how long a frame takes.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Args;
use lastlayer_shared::{error::one_line, file, operators::Operators};

use crate::{
    bench::{self, Measured, Network},
    graph::{metadata::Metadata, onnx},
    pretrained::cache::MAX_FILE,
    ui,
};

/// Measure how long a frame takes: here, with tract alone, with ONNX Runtime and ncnn
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer bench backbone.onnx\n  \
    lastlayer bench full.onnx pruned.onnx --json > bench.json\n\n\
    Each runs in a process of its own, in turns, on one thread of one core; milliseconds are without\n\
    preprocessing. ONNX Runtime and ncnn are measured where they are installed from PyPI:\n\
    `pip install onnxruntime ncnn` and `pip install --no-deps pnnx`, which makes ncnn's files.\n\
    docs/performance.md has what was found.")]
pub struct Bench {
    /// What `lastlayer export` wrote
    pub full: PathBuf,
    /// The same network, pruned
    pub pruned: Option<PathBuf>,
    /// A JSON array of what was measured, in place of a table
    #[arg(long)]
    pub json: bool,
    /// The Python that has onnxruntime and ncnn
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    pub python: String,
}

impl Bench {
    pub fn run(self) -> anyhow::Result<()> {
        let files = [("full", Some(&self.full)), ("pruned", self.pruned.as_ref())];
        let files = files
            .into_iter()
            .filter_map(|(name, file)| Some((name, file?)));
        let networks = files.map(|(name, file)| network(name, file));
        let networks: Vec<Network> = networks.collect::<anyhow::Result<_>>()?;
        let bar = ui::bar("frames, in turns", bench::TURNS as u64);
        let (measured, errors) = bench::measure(&networks, &self.python, &bar);
        bar.finish_and_clear();
        for error in &errors {
            ui::warn(&format!("not measured: {}", one_line(error)));
        }
        ensure!(!measured.is_empty(), "nothing could be measured");
        if self.json {
            crate::say!("{}", serde_json::to_string_pretty(&measured)?);
            return Ok(());
        }
        crate::say!("{}", table(&measured));
        Ok(())
    }
}

/// The first of a network is what others are compared with.
fn table(measured: &[Measured]) -> String {
    let header = [
        "network",
        "runtime",
        "median ms",
        "half of the frames",
        "start ms",
        "most memory MB",
        "times lastlayer's",
    ];
    let rows = measured.iter().map(|line| {
        let mut same = measured
            .iter()
            .filter(|other| other.network == line.network);
        let own = same.next().map_or(line.median_ms, |own| own.median_ms);
        let [low, high] = line.quartiles_ms;
        [
            line.network.to_owned(),
            line.runtime.to_owned(),
            format!("{:.2}", line.median_ms),
            format!("{low:.2} to {high:.2}"),
            format!("{:.0}", line.start_ms),
            format!("{:.1}", line.peak_rss_mb),
            format!("{:.2}", line.median_ms / own),
        ]
    });
    ui::table(header, rows)
}

fn network(name: &'static str, path: &Path) -> anyhow::Result<Network> {
    let what = || format!("{} is not a backbone", path.display());
    let bytes = file::read(path, MAX_FILE)?;
    ensure!(
        !bytes.starts_with(b"PK"),
        "{} is a package or another archive; give the backbone that `lastlayer export` wrote",
        path.display()
    );
    let metadata = Metadata::read(&onnx::decode(&bytes).with_context(what)?)?;
    let metadata = metadata.with_context(|| {
        format!(
            "{} does not say how it wants its pictures; make it with `lastlayer export`",
            path.display()
        )
    })?;
    Ok(Network {
        name,
        file: std::path::absolute(path)?,
        side: metadata.preprocess.input_size,
    })
}

/// What `bench` starts: one runtime with one network.
#[derive(Args)]
pub struct BenchChild {
    runtime: String,
    file: PathBuf,
}

impl BenchChild {
    pub fn run(self) -> anyhow::Result<()> {
        let operators = match self.runtime.as_str() {
            "tract" => Operators::Tract,
            _ => Operators::Lastlayer,
        };
        bench::serve(operators, &self.file)
    }
}
