//! The backbone: the frozen network, run by tract with operators of our own. An ONNX file with one input
//! `1 x 3 x size x size` and an output named `embedding` of `1 x D` numbers. Where there is an output
//! named `taps` of the same form, its numbers come after; one named `tuned` is read where it is asked for,
//! and further ones are ignored.

use std::sync::Arc;

use prost::Message;
use tract_onnx::{pb::ModelProto, prelude::*};

use crate::{
    contain::{bounded, contain},
    file::sha256,
    frame::Frame,
    head::Layout,
    network::{self, NetworkError},
    operators::Operators,
    preprocess::{Preprocess, PreprocessError},
    taps::{self, TAPS},
    view::View,
};

/// The name of the output that heads learn from.
pub const EMBEDDING: &str = "embedding";
/// The name of the output that a last layer gives which was tuned beside it.
pub const TUNED: &str = "tuned";

#[derive(Debug, thiserror::Error)]
pub enum BackboneError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("this is not an ONNX network that can be run here: {0}; export it again")]
    Load(String),
    #[error(
        "the network's output `{EMBEDDING}` has the shape {0}, not 1 x D numbers; export it again"
    )]
    Shape(String),
    #[error("the network's output `{TAPS}` is not what its metadata say: {0}; export it again")]
    Taps(String),
    #[error("the network failed on a frame: {0}")]
    Run(String),
    #[error("the network's answer holds a number that is not finite; its weights are damaged")]
    NotFinite,
    #[error(
        "what goes into the network's last layer cannot be kept: it is no map, or beyond half floats"
    )]
    Map,
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
}

/// A loaded backbone; cloning it shares the weights.
#[derive(Clone, Debug)]
pub struct Backbone {
    plan: Arc<TypedRunnableModel>,
    preprocess: Preprocess,
    layout: Layout,
    id: String,
}

impl Backbone {
    /// Loads ONNX bytes, pinned to one frame of `preprocess.input_size`.
    pub fn load(onnx: &[u8], preprocess: &Preprocess) -> Result<Self, BackboneError> {
        Self::load_with(onnx, preprocess, Operators::default())
    }

    /// The same, computed as asked for.
    pub fn load_with(
        onnx: &[u8],
        preprocess: &Preprocess,
        operators: Operators,
    ) -> Result<Self, BackboneError> {
        Self::load_outputs(onnx, preprocess, operators, &[])
    }

    /// The same for what `tuning::Cut::beside` gives: `Embedder`s say after an embedding what the tuned
    /// layer says.
    pub fn load_tuned(
        onnx: &[u8],
        preprocess: &Preprocess,
        operators: Operators,
    ) -> Result<Self, BackboneError> {
        Self::load_outputs(onnx, preprocess, operators, &[TUNED])
    }

    fn load_outputs(
        onnx: &[u8],
        preprocess: &Preprocess,
        operators: Operators,
        more: &[&str],
    ) -> Result<Self, BackboneError> {
        preprocess.check()?;
        let side = preprocess.input_size as usize;
        let mut proto = network::read(onnx, side)?;
        let outputs = outputs(&proto);
        let all = outputs.iter().chain(more);
        let plan = contain(|| {
            let model = tract_onnx::onnx()
                .with_ignore_value_info(true)
                .model_for_proto_model(&proto)?
                .with_outputs_by_name(all)?
                .with_input_fact(0, f32::fact([1, 3, side, side]).into())?;
            operators.runnable(bounded(model.into_typed()?)?)
        })
        .map_err(BackboneError::Load)?;
        let width = |output: usize| {
            contain(|| {
                let fact = plan.model().output_fact(output)?;
                Ok(match fact.shape.as_concrete() {
                    Some([1, width @ 1..=network::MOST_WIDTH])
                        if fact.datum_type == f32::datum_type() =>
                    {
                        Ok(*width)
                    }
                    _ => Err(format!("{fact:?}")),
                })
            })
            .map_err(BackboneError::Load)
        };
        let last = width(0)?.map_err(BackboneError::Shape)?;
        let layout = match outputs.get(1) {
            None => Layout::plain(last),
            Some(_) => {
                let width = width(1)?.map_err(BackboneError::Taps)?;
                tapped(&proto, last, width).map_err(BackboneError::Taps)?
            }
        };
        let rules = serde_json::to_vec(preprocess)
            .map_err(|error| BackboneError::Load(error.to_string()))?;
        // Who wrote the file when and under which licence does not change an embedding.
        proto.metadata_props.clear();
        proto.producer_name.clear();
        proto.producer_version.clear();
        proto.doc_string.clear();
        let network = sha256(&proto.encode_to_vec());
        let id = sha256(format!("{network} {}", sha256(&rules)).as_bytes());
        Ok(Self {
            plan,
            preprocess: preprocess.clone(),
            layout,
            id,
        })
    }

    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Numbers in an embedding.
    pub fn width(&self) -> usize {
        self.layout.width()
    }

    /// What the numbers of an embedding are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Names the network together with its preprocessing: embeddings with the same id may be
    /// compared, others may not.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// One runner a thread.
    pub fn embedder(&self) -> Result<Embedder, BackboneError> {
        let state = contain(|| self.plan.spawn()).map_err(BackboneError::Run)?;
        Ok(Embedder {
            state,
            preprocess: self.preprocess.clone(),
            width: self.width(),
        })
    }
}

/// Those that are used, `embedding` first.
fn outputs(proto: &ModelProto) -> &'static [&'static str] {
    let mut outputs = proto.graph.iter().flat_map(|graph| &graph.output);
    match outputs.any(|output| output.name == TAPS) {
        true => &[EMBEDDING, TAPS],
        false => &[EMBEDDING],
    }
}

/// The layout of an embedding of `last` numbers and `width` numbers of taps.
fn tapped(proto: &ModelProto, last: usize, width: usize) -> Result<Layout, String> {
    let taps = match taps::layout(proto)? {
        Some(taps) => taps.iter().map(|tap| tap.width as usize).collect(),
        None => vec![width],
    };
    let said = taps
        .iter()
        .fold(0, |sum: usize, &tap| sum.saturating_add(tap));
    if said != width {
        return Err(format!("they list {said} numbers, it has {width}"));
    }
    Layout::new([last].into_iter().chain(taps)).ok_or_else(|| "a tap has no numbers".into())
}

/// Runs a backbone on frames; keeps its buffers from one to the next.
pub struct Embedder {
    state: TypedSimpleState,
    preprocess: Preprocess,
    width: usize,
}

impl Embedder {
    /// Numbers in an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// For a whole frame or photo, without a view of a site.
    pub fn embed(&mut self, frame: &Frame) -> Result<Vec<f32>, BackboneError> {
        let crop = self.preprocess.crop(frame, &View::default())?;
        self.embed_crop(&crop)
    }

    /// For a frame that is the network's crop already, as samples keep it.
    pub fn embed_crop(&mut self, crop: &Frame) -> Result<Vec<f32>, BackboneError> {
        let numbers = self.preprocess.normalise(crop)?;
        self.run(&numbers)
    }

    /// The network alone, for its input: 3 x `input_size` x `input_size` numbers, as
    /// `Preprocess::normalise` gives them.
    pub fn run(&mut self, numbers: &[f32]) -> Result<Vec<f32>, BackboneError> {
        let side = self.preprocess.input_size as usize;
        let state = &mut self.state;
        let embedding = contain(|| {
            let input = Tensor::from_shape(&[1, 3, side, side], numbers)?;
            let outputs = state.run(tvec!(input.into_tvalue()))?;
            let mut embedding = Vec::<f32>::with_capacity(self.width);
            for output in &outputs {
                embedding.extend(output.to_plain_array_view::<f32>()?.iter());
            }
            Ok(embedding)
        })
        .map_err(BackboneError::Run)?;
        if embedding.iter().any(|v| !v.is_finite()) {
            return Err(BackboneError::NotFinite);
        }
        Ok(embedding)
    }
}
