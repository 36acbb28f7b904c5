//! Other runtimes, where they are installed from PyPI.

use std::process::{Command, Stdio};

use super::BenchError;

/// What a peer's process runs.
const SCRIPT: &str = include_str!("peers.py");

/// Names those of its arguments that cannot be imported, as an error.
const PROBE: &str = "import importlib.util, sys
sys.exit(' '.join(n for n in sys.argv[1:] if not importlib.util.find_spec(n)) or 0)";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    OnnxRuntime,
    Ncnn,
}

impl Peer {
    pub fn name(self) -> &'static str {
        match self {
            Peer::OnnxRuntime => "onnxruntime",
            Peer::Ncnn => "ncnn",
        }
    }

    /// What has to be installed from PyPI.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Peer::OnnxRuntime => &["onnxruntime", "numpy"],
            // pnnx turns ONNX into ncnn's own format.
            Peer::Ncnn => &["ncnn", "pnnx", "numpy"],
        }
    }

    /// The process that runs the network whose file comes after. An error where something is not
    /// installed.
    pub fn command(self, python: &str, side: u32) -> Result<Command, BenchError> {
        let absent = |why: String| BenchError::Absent(format!("{}: {why}", self.name()));
        let packages = self.packages();
        let mut probe = Command::new(python);
        probe.args(["-c", PROBE]);
        probe.args(packages).stdin(Stdio::null());
        let probed = probe.output();
        let probed = probed.map_err(|error| absent(format!("{python} cannot be run: {error}")))?;
        if !probed.status.success() {
            let missing = String::from_utf8_lossy(&probed.stderr);
            let missing = missing.lines().last().unwrap_or_default();
            // The Python part of pnnx, which is not needed, needs a gigabyte of others.
            return Err(absent(format!(
                "not installed; `{python} -m pip install --no-deps {missing}` (--python names \
                 another Python)"
            )));
        }
        let mut command = Command::new(python);
        command.args(["-c", SCRIPT, self.name(), &side.to_string()]);
        Ok(command)
    }
}
