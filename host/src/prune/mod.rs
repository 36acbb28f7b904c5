//! Pruning to a site: hidden channels and numbers of the embedding that its photos hardly need are taken
//! out of a backbone, and the layers that read them are solved again so that they give what they gave
//! before.
//!
//! Structured pruning with reconstruction by least squares (He et al., "Channel pruning for
//! accelerating very deep neural networks", ICCV 2017), on unlabelled photos of the place. First every
//! layer is pruned alone to several levels and what the embedding loses is measured (`fidelity`); from
//! that, `plan` says how many channels each keeps. Then the layers are pruned one after the other on
//! what the layers before them now give, so that each repairs what those left (`least_squares`).
//! A part of the photos is held back and says how much was lost.

mod fidelity;
mod fold;
mod layers;
mod least_squares;
mod observe;
mod plan;
mod time;

use lastlayer_shared::{
    backbone::EMBEDDING,
    frame::Frame,
    preprocess::{Preprocess, PreprocessError},
    taps::TAPS,
};

use crate::graph::{
    GraphError, cost,
    onnx::{self, ModelProto},
};
use fidelity::Likeness;
use layers::Hidden;
use least_squares::{Reduced, Rows};
use observe::Photos;
use plan::Effect;

/// Fewer photos say too little about a place.
pub const FEWEST_PHOTOS: usize = 16;
/// More take longer than they are worth; the more varied the place, the more do.
pub const MOST_PHOTOS: usize = 2000;
/// Every so many photos one is held back.
const HELD_BACK: usize = 4;
/// Photos by which layers are compared.
const COMPARED: usize = 96;
/// Networks that are tried on the way to a permitted loss.
const TRIES: usize = 6;

#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    #[error(
        "{0} photo(s) that can be read are too few to prune by; take at least {FEWEST_PHOTOS} of what \
         the camera will see, 256 are good"
    )]
    TooFew(usize),
    #[error(
        "all photos look the same to the network, so nothing can be learned from them; take photos of \
         different moments of what the camera will see"
    )]
    Alike,
    #[error(
        "no layer of this network can be pruned: it has no depthwise convolution between two others, and \
         no embedding that is pooled, of more than {TILE} channels; export it without pruning",
        TILE = plan::TILE
    )]
    NoLayers,
    #[error(
        "the network cannot be pruned to {wanted} M multiply-accumulates; at least {least} M are left, \
         of {whole} M; ask for less, or choose a smaller --input-size"
    )]
    Budget {
        wanted: String,
        least: String,
        whole: String,
    },
    #[error(
        "the layer {0} of the network is not as it was found; this is an error of this program"
    )]
    Lost(String),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Preprocess(#[from] PreprocessError),
}

/// How far to go.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// Multiply-accumulates that may be left, as a share of the whole network's.
    Keep(f64),
    MaxMacs(u64),
    /// What may be lost of what the network tells apart, as a share (`fidelity`).
    MaxLoss(f64),
}

/// What is being done, for a progress bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// Layers are measured: how many are, of how many.
    Measured(usize, usize),
    /// Layers of a network are pruned.
    Pruned(usize, usize),
}

/// One layer, before and after.
#[derive(Clone, Debug)]
pub struct Layer {
    pub name: String,
    pub channels: usize,
    pub kept: usize,
    /// Squared error of what it gives, a share of its variance.
    pub error: f64,
    /// Multiply-accumulates less.
    pub saved: u64,
    /// Milliseconds by itself on this machine, before and after.
    pub took: [f64; 2],
}

pub struct Pruned {
    pub model: ModelProto,
    pub layers: Vec<Layer>,
    /// What was left as it is.
    pub whole: Vec<String>,
    /// On photos held back.
    pub lost: f64,
    pub macs: u64,
    pub macs_before: u64,
}

/// Prunes a backbone by what it sees in `crops`, which are in no order that means anything.
pub fn prune(
    model: &ModelProto,
    crops: &[Frame],
    preprocess: &Preprocess,
    goal: Goal,
    seed: u64,
    watch: &dyn Fn(Step),
) -> Result<Pruned, PruneError> {
    if crops.len() < FEWEST_PHOTOS {
        return Err(PruneError::TooFew(crops.len()));
    }
    let model = &fold::normalisations(model)?;
    let (layers, whole) = layers::find(model)?;
    let is_narrow = |layer: &Hidden| plan::levels(layer.channels).is_empty();
    if layers.iter().all(is_narrow) {
        return Err(PruneError::NoLayers);
    }
    let (held_back, fitting): (Vec<_>, Vec<_>) = crops
        .iter()
        .cloned()
        .enumerate()
        .partition(|(at, _)| at % HELD_BACK == 0);
    let frames =
        |of: Vec<(usize, Frame)>| of.into_iter().map(|(_, frame)| frame).collect::<Vec<_>>();
    let (held_back, fitting) = (frames(held_back), frames(fitting));
    let photos = |crops| Photos {
        crops,
        preprocess,
        seed,
    };
    let pruner = Pruner::new(model, layers, photos(&fitting), photos(&held_back), watch)?;
    let effects = pruner.effects()?;
    let before = pruner.macs as f64;
    let (done, lost) = match goal {
        Goal::Keep(share) => pruner.to_macs(&effects, share * before)?,
        Goal::MaxMacs(macs) => pruner.to_macs(&effects, macs as f64)?,
        Goal::MaxLoss(most) => pruner.to_loss(&effects, most)?,
    };
    let layers = pruner.layers.iter().zip(&effects).zip(&done.layers);
    let layers = layers.map(|((hidden, effect), (kept, error))| {
        Ok(Layer {
            name: hidden.tensor.clone(),
            channels: hidden.channels,
            kept: *kept,
            error: *error,
            saved: ((hidden.channels - kept) as f64 * effect.macs).round() as u64,
            took: time::both(hidden, model, &done.model)?,
        })
    });
    Ok(Pruned {
        layers: layers.collect::<Result<_, PruneError>>()?,
        whole,
        lost,
        macs: pruner.macs_of(&done.model)?,
        macs_before: pruner.macs,
        model: done.model,
    })
}

struct Pruner<'a> {
    model: &'a ModelProto,
    outputs: Vec<&'a str>,
    layers: Vec<Hidden>,
    fitting: Photos<'a>,
    held_back: Photos<'a>,
    /// What each layer gives in the whole network.
    targets: Vec<Rows>,
    likeness: Likeness,
    macs: u64,
    watch: &'a dyn Fn(Step),
}

/// A network with some layers pruned.
struct Done {
    model: ModelProto,
    /// Channels kept and squared error, a layer.
    layers: Vec<(usize, f64)>,
}

impl<'a> Pruner<'a> {
    fn new(
        model: &'a ModelProto,
        layers: Vec<Hidden>,
        fitting: Photos<'a>,
        held_back: Photos<'a>,
        watch: &'a dyn Fn(Step),
    ) -> Result<Self, PruneError> {
        let outputs = onnx::graph(model)?
            .output
            .iter()
            .map(|output| output.name.as_str());
        let outputs: Vec<&str> = outputs
            .filter(|name| [EMBEDDING, TAPS].contains(name))
            .collect();
        let likeness = Likeness::of(&held_back.embeddings(model, &outputs)?);
        let maps: Vec<&str> = layers.iter().map(|layer| layer.output.as_str()).collect();
        Ok(Self {
            macs: cost::of(model, &outputs)?.macs,
            likeness: likeness.ok_or(PruneError::Alike)?,
            targets: fitting.rows(model, &maps)?,
            model,
            outputs,
            layers,
            fitting,
            held_back,
            watch,
        })
    }

    fn macs_of(&self, model: &ModelProto) -> Result<u64, PruneError> {
        Ok(cost::of(model, &self.outputs)?.macs)
    }

    /// What the embedding loses where one layer alone is pruned.
    fn effects(&self) -> Result<Vec<Effect>, PruneError> {
        let some = Photos {
            crops: &self.fitting.crops[..COMPARED.min(self.fitting.crops.len())],
            ..self.fitting
        };
        let before = Likeness::of(&some.embeddings(self.model, &self.outputs)?);
        let before = before.ok_or(PruneError::Alike)?;
        let mut effects = Vec::with_capacity(self.layers.len());
        for (at, layer) in self.layers.iter().enumerate() {
            (self.watch)(Step::Measured(at, self.layers.len()));
            let levels = plan::levels(layer.channels);
            let reduced = self.reduced(self.model, at, &levels)?;
            let mut measured = Vec::with_capacity(levels.len());
            let mut macs = 0.0;
            for (level, reduced) in levels.iter().zip(&reduced) {
                let model = layer.apply(self.model, reduced)?;
                macs = (self.macs - self.macs_of(&model)?) as f64 / (layer.channels - level) as f64;
                let after = Likeness::of(&some.embeddings(&model, &self.outputs)?);
                measured.push((*level, after.map_or(1.0, |after| before.lost(&after))));
            }
            effects.push(Effect {
                channels: layer.channels,
                macs,
                levels: measured,
            });
        }
        Ok(effects)
    }

    /// Layer `at` of `model`, in which layers before it may be pruned, at several levels. Empty where
    /// its channels never change.
    fn reduced(
        &self,
        model: &ModelProto,
        at: usize,
        levels: &[usize],
    ) -> Result<Vec<Reduced>, PruneError> {
        let layer = &self.layers[at];
        let maps: Vec<&str> = [Some(&layer.tensor), layer.shortcut.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        let rows = self.fitting.rows(model, &maps)?;
        let [hidden, shortcut @ ..] = rows.as_slice() else {
            return Ok(Vec::new());
        };
        let mut target = self.targets[at].numbers.clone();
        for shortcut in shortcut {
            // An Add may repeat the smaller of two maps; no MobileNet does.
            if shortcut.numbers.len() != target.len() {
                return Ok(Vec::new());
            }
            for (target, v) in target.iter_mut().zip(&shortcut.numbers) {
                *target -= v;
            }
        }
        let mut target = Rows {
            columns: layer.outputs,
            numbers: target,
        };
        if layer.is_tapped {
            target = beside(&target, hidden);
        }
        let reduced = least_squares::reduce(hidden, &target, layer.outputs, levels);
        Ok(reduced.unwrap_or_default())
    }

    /// All layers, one after the other.
    fn pruned(&self, counts: &[usize]) -> Result<Done, PruneError> {
        let mut done = Done {
            model: self.model.clone(),
            layers: Vec::new(),
        };
        let mut touched = false;
        for (at, (layer, &count)) in self.layers.iter().zip(counts).enumerate() {
            (self.watch)(Step::Pruned(at, self.layers.len()));
            touched |= count < layer.channels;
            // A whole layer is solved again, too, where others left errors before it.
            let reduced = match touched {
                true => self.reduced(&done.model, at, &[count])?,
                false => Vec::new(),
            };
            match reduced.first() {
                Some(reduced) => {
                    done.model = layer.apply(&done.model, reduced)?;
                    done.layers.push((count, reduced.error));
                }
                None => done.layers.push((layer.channels, 0.0)),
            }
        }
        correct_outputs(&mut done.model, &self.layers, &done.layers)?;
        Ok(done)
    }

    fn lost(&self, model: &ModelProto) -> Result<f64, PruneError> {
        let after = Likeness::of(&self.held_back.embeddings(model, &self.outputs)?);
        Ok(after.map_or(1.0, |after| self.likeness.lost(&after)))
    }

    fn to_macs(&self, effects: &[Effect], macs: f64) -> Result<(Done, f64), PruneError> {
        let whole = self.macs as f64;
        let millions = |macs: f64| format!("{:.1}", macs / 1e6);
        let counts = plan::counts(effects, whole - macs).ok_or_else(|| PruneError::Budget {
            wanted: millions(macs),
            least: millions(whole - plan::most(effects)),
            whole: millions(whole),
        })?;
        let done = self.pruned(&counts)?;
        let lost = self.lost(&done.model)?;
        Ok((done, lost))
    }

    /// The smallest network within a permitted loss: the whole one, at worst.
    fn to_loss(&self, effects: &[Effect], most: f64) -> Result<(Done, f64), PruneError> {
        let whole: Vec<usize> = self.layers.iter().map(|layer| layer.channels).collect();
        let mut best = (self.pruned(&whole)?, 0.0);
        let (mut least, mut most_saved) = (0.0, plan::most(effects));
        for attempt in 0..TRIES {
            // Everything at once first: a place that does not change may permit it.
            let save = if attempt == 0 {
                most_saved
            } else {
                (least + most_saved) / 2.0
            };
            let Some(counts) = plan::counts(effects, save * 0.9999) else {
                break;
            };
            let done = self.pruned(&counts)?;
            let lost = self.lost(&done.model)?;
            if lost <= most {
                (best, least) = ((done, lost), save);
                if attempt == 0 {
                    break;
                }
            } else {
                most_saved = save;
            }
        }
        Ok(best)
    }
}

/// The columns of both, those of `hidden` scaled to the same variance in all.
fn beside(target: &Rows, hidden: &Rows) -> Rows {
    let variance = |rows: &Rows| {
        let squares = rows.numbers.iter().map(|&v| f64::from(v).powi(2));
        squares.sum::<f64>()
    };
    let scale = (variance(target) / variance(hidden).max(f64::MIN_POSITIVE)).sqrt() as f32;
    let rows = target
        .numbers
        .chunks(target.columns)
        .zip(hidden.numbers.chunks(hidden.columns));
    Rows {
        columns: target.columns + hidden.columns,
        numbers: rows
            .flat_map(|(target, hidden)| {
                target
                    .iter()
                    .copied()
                    .chain(hidden.iter().map(move |v| v * scale))
            })
            .collect(),
    }
}

/// Outputs are as narrow as what is pooled into them.
fn correct_outputs(
    model: &mut ModelProto,
    layers: &[Hidden],
    kept: &[(usize, f64)],
) -> Result<(), PruneError> {
    let layers = layers.iter().zip(kept);
    let lost = |of: fn(&Hidden) -> bool| -> usize {
        let layers = layers.clone().filter(|(layer, _)| of(layer));
        layers.map(|(layer, (kept, _))| layer.channels - kept).sum()
    };
    let lost = [
        (EMBEDDING, lost(Hidden::is_embedding)),
        (TAPS, lost(|layer| layer.is_tapped)),
    ];
    let graph = onnx::graph_mut(model)?;
    // Shapes that were noted down are of the whole network.
    graph.value_info.clear();
    for output in &mut graph.output {
        if let Some((_, lost)) = lost.iter().find(|(name, _)| *name == output.name)
            && let Some((_, sides)) = onnx::input_shape(output)
            && let [_, Some(width)] = sides[..]
        {
            *output = onnx::value(&output.name, &[1, width - lost.min(&width)]);
        }
    }
    Ok(())
}
