//! Weights that lie in a file beside the network.

use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
};

use lastlayer_shared::file;

use super::super::{
    GraphError,
    onnx::{self, GraphProto, ModelProto, TensorProto},
};

/// What `data_location` says of such weights.
const EXTERNAL: i32 = 1;
/// Bytes, of one file and of all weights together.
const MOST: u64 = 1 << 30;

/// Brings them into the network. `folder` is where the network's file is; `None` refuses them.
pub fn bring_in(model: &mut ModelProto, folder: Option<&Path>) -> Result<(), GraphError> {
    let mut source = Source {
        folder,
        left: MOST as usize,
        files: HashMap::new(),
    };
    source.graph(onnx::graph_mut(model)?)
}

struct Source<'a> {
    folder: Option<&'a Path>,
    /// Weights do not overlap: together they are not longer than the files.
    left: usize,
    files: HashMap<PathBuf, Vec<u8>>,
}

impl Source<'_> {
    /// Initializers, the tensors of Constant nodes, and those in the bodies of If and Loop.
    fn graph(&mut self, graph: &mut GraphProto) -> Result<(), GraphError> {
        for tensor in &mut graph.initializer {
            self.tensor(tensor)?;
        }
        for attribute in graph.node.iter_mut().flat_map(|node| &mut node.attribute) {
            for tensor in attribute.t.iter_mut().chain(&mut attribute.tensors) {
                self.tensor(tensor)?;
            }
            for inner in attribute.g.iter_mut().chain(&mut attribute.graphs) {
                self.graph(inner)?;
            }
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &mut TensorProto) -> Result<(), GraphError> {
        if tensor.data_location.unwrap_or_default() != EXTERNAL {
            return Ok(());
        }
        let entry = |key: &str| {
            let mut entries = tensor.external_data.iter();
            entries.find(|entry| entry.key == key).map(|e| &*e.value)
        };
        let location = entry("location").unwrap_or_default().to_owned();
        let failed = |reason: &str| GraphError::External(location.clone(), reason.into());
        let Some(folder) = self.folder else {
            return Err(failed("a recipe's network must hold its numbers itself"));
        };
        // The file may not point anywhere else on this machine.
        let parts = Path::new(&location).components();
        let name: PathBuf = parts.filter(|part| *part != Component::CurDir).collect();
        let inside = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        if !inside || name.as_os_str().is_empty() {
            return Err(failed("it is not a plain file name"));
        }
        if !self.files.contains_key(&name) {
            let bytes = file::read(&folder.join(&name), MOST)
                .map_err(|error| failed(&error.to_string()))?;
            self.files.insert(name.clone(), bytes);
        }
        let bytes = &self.files[&name];
        let number = |key: &str| entry(key).map(str::parse::<usize>);
        let offset = number("offset")
            .unwrap_or(Ok(0))
            .map_err(|_| failed("its offset"))?;
        let length = number("length")
            .unwrap_or(Ok(bytes.len().saturating_sub(offset)))
            .map_err(|_| failed("its length"))?;
        self.left = self
            .left
            .checked_sub(length)
            .ok_or_else(|| failed("it is too large"))?;
        tensor.raw_data = offset
            .checked_add(length)
            .and_then(|end| bytes.get(offset..end))
            .ok_or_else(|| failed("it is too short"))?
            .to_vec();
        tensor.external_data.clear();
        tensor.data_location = None;
        Ok(())
    }
}
