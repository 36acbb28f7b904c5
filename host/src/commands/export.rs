//! `lastlayer export`: a pretrained network becomes a backbone.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::Context;
use clap::Args;
use lastlayer_shared::{
    backbone::EMBEDDING, error::plain, file, network, preprocess::Preprocess, taps::Tap,
};

use super::pruning::Pruning;
use crate::{
    graph::{
        self, GraphError, compare,
        cost::{self, NetworkCost},
        cut,
        metadata::Metadata,
        mobilenet_v2::{self, Normalisation, TAPPED},
        onnx::{self, ModelProto},
    },
    pretrained::{
        cache::{Cache, MAX_FILE},
        fetch::Fetcher,
        recipe::{self, Architecture, Recipe},
        state_dict::{self, StateDict, WeightsError},
    },
    ui,
};

/// Differences up to this come from the order of additions; more means a wrong network.
const AGREES: f32 = 1e-3;

/// Turn a pretrained network into a backbone: an ONNX file without its classifier
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    lastlayer export mobilenet-v2 --output backbone.onnx\n  \
    lastlayer export mobilenet-v2 --input-size 128 --output small.onnx\n  \
    lastlayer export mobilenet-v2 --calibrate photos-of-the-site --keep 0.4 --output site.onnx\n  \
    lastlayer export my-classifier.onnx --preprocess imagenet --output backbone.onnx")]
pub struct Export {
    /// A recipe (such as mobilenet-v2), or a .onnx, .pt, .pth or .safetensors file
    source: OsString,
    /// The ONNX file to write
    #[arg(long, short)]
    output: PathBuf,
    /// Side of the square network input in pixels; by default the recipe's or the network's own
    #[arg(long, value_parser = clap::value_parser!(u32).range(32..=1024))]
    input_size: Option<u32>,
    /// A folder with further recipes
    #[arg(long)]
    recipes: Option<PathBuf>,
    /// How a file's network wants its pictures: imagenet, symmetric, unit, or a TOML file
    #[arg(long, value_name = "NAME|FILE")]
    preprocess: Option<String>,
    /// Only the last embedding, without what heads may take from the middle layers of a MobileNetV2
    #[arg(long)]
    no_taps: bool,
    #[command(flatten)]
    pruning: Pruning,
}

/// What was found out about the source before anything is built.
struct Source {
    bytes: Vec<u8>,
    /// What a recipe says that the bytes are.
    architecture: Option<Architecture>,
    /// Where weights beside the file are; a recipe's file has none.
    folder: Option<PathBuf>,
    preprocess: Preprocess,
    input_size: Option<u32>,
    /// Wanted, where the architecture is known.
    taps: bool,
    provenance: BTreeMap<String, String>,
}

/// A source network with its embedding inside, and the backbone made of it.
struct Built {
    whole: ModelProto,
    backbone: ModelProto,
    before: NetworkCost,
    taps: Vec<Tap>,
    removed: Vec<(String, String)>,
    input_size: u32,
    /// The size that the source was made for, where it says one.
    own_size: Option<u32>,
}

impl Export {
    /// A built-in recipe at one input size.
    pub fn recipe(name: &str, output: PathBuf, input_size: u32) -> Self {
        Self {
            source: name.into(),
            output,
            input_size: Some(input_size),
            recipes: None,
            preprocess: None,
            no_taps: false,
            pruning: Pruning::default(),
        }
    }

    pub fn run(self) -> anyhow::Result<()> {
        file::can_write(&self.output)?;
        self.pruning.check()?;
        let source = self.source()?;
        let built = build(&source)?;
        let mut preprocess = source.preprocess.clone();
        preprocess.input_size = built.input_size;
        preprocess.check()?;
        let mut metadata = Metadata {
            preprocess: preprocess.clone(),
            taps: built.taps,
            provenance: source.provenance.clone(),
        };
        let whole = built.backbone;
        // As it is written. Pruning changes what comes out, so that this is done before it.
        let unpruned = onnx::decode(&onnx::encode(&whole))?;
        let apart = difference(&built.whole, &unpruned, &metadata)
            .map_err(|error| error.at_size(built.input_size, built.own_size))?;
        if apart > AGREES {
            return Err(GraphError::Disagrees(apart).into());
        }
        let pruned = self.pruning.run(&whole, &mut metadata)?;
        let is_pruned = pruned.is_some();
        let mut backbone = pruned.unwrap_or(whole);
        metadata.write(&mut backbone)?;
        let bytes = onnx::encode(&backbone);
        let written = onnx::decode(&bytes)?;
        // As boards judge it.
        network::read(&bytes, built.input_size as usize)?;
        let width = graph::embedding_width(&written)?;
        let outputs = metadata.outputs();
        let mut after = cost::of(&written, outputs)?;
        after.file_bytes = bytes.len() as u64;
        file::write(&self.output, &bytes)?;
        print_table(&built.before, &after);
        match built.removed.as_slice() {
            [] => crate::say!("cut: nothing, the weights end at the embedding"),
            removed => {
                let names: Vec<String> = removed.iter().map(|(op, _)| plain(op)).collect();
                crate::say!("cut: {}", names.join(", "));
            }
        }
        crate::say!(
            "input: 1 x 3 x {size} x {size}   embedding: {width} numbers",
            size = built.input_size
        );
        if !metadata.taps.is_empty() {
            crate::say!("taps: {}", metadata.tap_list());
        }
        crate::say!(
            "largest difference from the source over embeddings{}: {apart:.1e}",
            if is_pruned { ", before pruning" } else { "" }
        );
        crate::say!("wrote {}", self.output.display());
        Ok(())
    }

    fn source(&self) -> anyhow::Result<Source> {
        let mut recipes = recipe::all(self.recipes.as_deref())?;
        if let Some(recipe) = self.source.to_str().and_then(|name| recipes.remove(name)) {
            return self.fetched(recipe);
        }
        let path = Path::new(&self.source);
        if !path.is_file() {
            return Err(recipe::RecipeError::NoSuch {
                name: path.display().to_string(),
                known: recipes.into_keys().collect::<Vec<_>>().join(", "),
            }
            .into());
        }
        self.read(path)
    }

    fn fetched(&self, recipe: Recipe) -> anyhow::Result<Source> {
        let drawn = ui::FetchBar::default();
        let watcher = |progress: crate::pretrained::fetch::Progress<'_>| drawn.draw(progress);
        let mut fetcher = Fetcher::new(Cache::of_user(), &watcher);
        let (bytes, sha256) = fetcher.fetch(&recipe.source)?;
        Ok(Source {
            bytes,
            architecture: Some(recipe.architecture),
            folder: None,
            preprocess: match &self.preprocess {
                Some(text) => preprocessing(text)?,
                None => recipe.preprocess.clone(),
            },
            input_size: self.input_size.or(Some(recipe.preprocess.input_size)),
            taps: !self.no_taps,
            provenance: provenance([
                ("recipe", recipe.name),
                ("source", recipe.description),
                ("license", recipe.license),
                ("source_sha256", sha256),
            ]),
        })
    }

    fn read(&self, path: &Path) -> anyhow::Result<Source> {
        if file::same(&self.output, path) {
            anyhow::bail!(
                "{} is the network itself; choose another --output",
                self.output.display()
            );
        }
        let bytes = file::read(path, MAX_FILE)?;
        let preprocess = match &self.preprocess {
            Some(text) => preprocessing(text)?,
            None => {
                ui::warn(
                    "how this network wants its pictures is not known; taking ImageNet's mean and \
                     deviation (say it with --preprocess)",
                );
                preprocessing("imagenet")?
            }
        };
        // A file of preprocessing says which size it is for, a name does not.
        let text = self.preprocess.as_deref();
        let stated = text.is_some_and(|text| Preprocess::named(text, 224).is_none());
        let input_size = self.input_size.or(stated.then_some(preprocess.input_size));
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Ok(Source {
            architecture: None,
            folder: Some(path.parent().unwrap_or(Path::new(".")).into()),
            preprocess,
            input_size,
            taps: !self.no_taps,
            provenance: provenance([
                ("source", name),
                ("source_sha256", file::sha256(&bytes)),
                ("license", "not stated".into()),
            ]),
            bytes,
        })
    }
}

/// The largest one between what boards use of two networks, over made-up pictures.
fn difference(
    source: &ModelProto,
    backbone: &ModelProto,
    metadata: &Metadata,
) -> Result<f32, GraphError> {
    metadata.outputs().iter().try_fold(0.0f32, |apart, output| {
        let more = compare::largest_difference(source, backbone, output, &metadata.preprocess)?;
        Ok(apart.max(more))
    })
}

fn provenance<const N: usize>(entries: [(&str, String); N]) -> BTreeMap<String, String> {
    entries.map(|(key, value)| (key.to_owned(), value)).into()
}

/// A name, or a TOML file with the fields of a recipe's `[preprocess]`.
fn preprocessing(text: &str) -> anyhow::Result<Preprocess> {
    if let Some(named) = Preprocess::named(text, 224) {
        return Ok(named);
    }
    let path = Path::new(text);
    let known = Preprocess::NAMES.join(", ");
    if !path.is_file() {
        anyhow::bail!("there is no preprocessing and no file named {text:?}; names are: {known}");
    }
    let content = String::from_utf8_lossy(&file::read(path, 1 << 20)?).into_owned();
    let preprocess: Preprocess = toml::from_str(&content)
        .map_err(|error| anyhow::anyhow!("{}", error.message().to_owned()))
        .with_context(|| format!("{text} does not describe a preprocessing"))?;
    preprocess.check()?;
    Ok(preprocess)
}

fn build(source: &Source) -> anyhow::Result<Built> {
    match (state_dict::read(&source.bytes), source.architecture) {
        (Ok(weights), None | Some(Architecture::MobilenetV2)) => from_weights(source, &weights),
        (Ok(_), Some(Architecture::Onnx)) => {
            anyhow::bail!("the recipe says `architecture = \"onnx\"`, but its file holds weights")
        }
        (Err(WeightsError::UnknownFormat), None | Some(Architecture::Onnx)) => {
            let model = onnx::decode(&source.bytes).map_err(|_| {
                anyhow::anyhow!(
                    "this is neither an ONNX file nor weights (.pt, .pth, .safetensors); is the \
                     download complete?"
                )
            })?;
            from_classifier(source, model)
        }
        (Err(WeightsError::UnknownFormat), Some(Architecture::MobilenetV2)) => {
            anyhow::bail!(
                "the recipe says `architecture = \"mobilenet-v2\"`, but its file does not hold \
                 weights (.pt, .pth, .safetensors); for a whole ONNX classifier write \"onnx\""
            )
        }
        (Err(error), _) => Err(error.into()),
    }
}

fn from_weights(source: &Source, weights: &StateDict) -> anyhow::Result<Built> {
    let size = source.input_size.unwrap_or(source.preprocess.input_size);
    let tapped: &[usize] = if source.taps { &TAPPED } else { &[] };
    let make = |normalisation| mobilenet_v2::build(weights, size as usize, normalisation, tapped);
    let whole = make(Normalisation::Apart)?.0;
    let (backbone, taps) = make(Normalisation::Folded)?;
    let mut before = cost::of(&whole, &[EMBEDDING])?;
    let trained = |name: &str| !name.contains(".running_");
    let sizes = weights.iter().filter(|(name, _)| trained(name));
    before.parameters = sizes.map(|(_, tensor)| tensor.data.len() as u64).sum();
    before.file_bytes = source.bytes.len() as u64;
    let mut removed = Vec::new();
    if let Some((inputs, classes)) = mobilenet_v2::classifier(weights) {
        before.operators += 1;
        before.macs += (inputs * classes) as u64;
        removed.push(("Gemm".to_owned(), "classifier".to_owned()));
    }
    Ok(Built {
        backbone,
        whole,
        taps,
        before,
        removed,
        input_size: size,
        own_size: None,
    })
}

fn from_classifier(source: &Source, model: ModelProto) -> anyhow::Result<Built> {
    let ours = Metadata::read(&model).is_ok_and(|metadata| metadata.is_some());
    let cut = match cut::cut(model, source.input_size, source.folder.as_deref()) {
        Err(GraphError::NoClassifier(_)) if ours => {
            anyhow::bail!("this is a backbone already; go on with `lastlayer package`")
        }
        cut => cut?,
    };
    // tract does not know every operator that may follow a classifier and is cut off with it.
    let mut before =
        cost::of(&cut.whole, &[&cut.scores]).or_else(|_| cost::of(&cut.whole, &[EMBEDDING]))?;
    before.operators = onnx::graph(&cut.backbone)?.node.len() + cut.removed.len();
    before.file_bytes = source.bytes.len() as u64;
    Ok(Built {
        whole: cut.whole,
        backbone: cut.backbone,
        taps: Vec::new(),
        before,
        removed: cut.removed,
        input_size: cut.size,
        own_size: cut.own_size,
    })
}

fn print_table(before: &NetworkCost, after: &NetworkCost) {
    let row =
        |name: &str, pick: fn(&NetworkCost) -> String| [name.into(), pick(before), pick(after)];
    let rows = [
        row("operators", |cost| cost.operators.to_string()),
        row("parameters", |cost| ui::amount(cost.parameters)),
        row("multiply-accumulates", |cost| ui::amount(cost.macs)),
        row("file", |cost| ui::bytes(cost.file_bytes)),
    ];
    crate::say!("{}", ui::table(["", "before", "after"], rows));
}
