//! Running libraries on what came from outside. tract's operators may panic on shapes that they do
//! not expect, picture decoders on files that nobody expects; that is the file's fault, and becomes
//! one line like every other error.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

use tract_onnx::{
    pb::{GraphProto, ModelProto},
    prelude::{TractResult, TypedModel},
    tract_core::internal::bail,
};

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Runs it; `None` where it panicked, without a message.
pub fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    be_silent_while_contained();
    let before = CONTAINED.replace(true);
    // What a panic leaves half-done is dropped with the closure; no caller looks at it again.
    let result = catch_unwind(AssertUnwindSafe(run));
    CONTAINED.set(before);
    result.ok()
}

/// What a panic becomes.
pub const PANICKED: &str = "an operator asks for something that cannot be done";

/// Runs it; what goes wrong, panics included, comes back as one line of text.
pub fn contain<T>(run: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match caught(run) {
        Some(result) => result.map_err(|error| {
            // The outermost says where, the innermost what; those between repeat tract's stages.
            let mut causes = error.chain().map(ToString::to_string);
            let first = causes.next().unwrap_or_default();
            let text = match causes.last() {
                Some(last) => format!("{first}: {last}"),
                None => first,
            };
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        }),
        None => Err(PANICKED.into()),
    }
}

/// More sides than any tensor has.
const MOST_SIDES: u64 = 64;

/// Refuses axes that no tensor has: some of tract's operators count up to them, for centuries. For
/// before `into_typed`.
pub fn plausible(model: &ModelProto) -> TractResult<()> {
    model.graph.iter().try_for_each(plausible_graph)
}

fn plausible_graph(graph: &GraphProto) -> TractResult<()> {
    for node in &graph.node {
        for attribute in &node.attribute {
            let axes = match attribute.name.as_str() {
                "axis" => std::slice::from_ref(&attribute.i),
                "axes" => &attribute.ints,
                _ => &[],
            };
            if let Some(axis) = axes.iter().find(|axis| axis.unsigned_abs() > MOST_SIDES) {
                bail!("the operator {} names an axis {axis}", node.op_type);
            }
            let inner = attribute.g.iter().chain(&attribute.graphs);
            inner.into_iter().try_for_each(plausible_graph)?;
        }
    }
    Ok(())
}

/// The most numbers that one tensor inside a network may hold: 1 GiB of floats.
const MOST_NUMBERS: usize = 1 << 28;

/// Refuses a network with a tensor that would not fit into memory: an allocation that fails aborts
/// the process, and nothing contains that. For between `into_typed`, which works out sizes, and
/// `into_optimized`, which computes all that does not depend on the picture.
pub fn bounded(model: TypedModel) -> TractResult<TypedModel> {
    for node in model.nodes() {
        for output in &node.outputs {
            // Sides that only the run will tell are checked by nobody; tract knows few such.
            let Some(sides) = output.fact.shape.as_concrete() else {
                continue;
            };
            let numbers = sides
                .iter()
                .try_fold(1usize, |numbers, &side| numbers.checked_mul(side));
            if numbers.is_none_or(|numbers| numbers > MOST_NUMBERS) {
                let sides: Vec<String> = sides.iter().map(usize::to_string).collect();
                bail!(
                    "the operator {} gives {} numbers, more than this program keeps in memory",
                    node.name,
                    sides.join(" x ")
                );
            }
        }
    }
    Ok(model)
}

/// The usual panic message is not printed for panics that `contain` catches.
fn be_silent_while_contained() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !CONTAINED.get() {
                usual(info);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use tract_onnx::prelude::DatumExt;

    use super::*;

    #[test]
    fn axes_beyond_any_tensor_are_refused_at_any_depth() {
        use tract_onnx::pb::{AttributeProto, NodeProto};
        let node = |attribute| NodeProto {
            op_type: "LayerNormalization".into(),
            attribute: vec![attribute],
            ..NodeProto::default()
        };
        let model = |node: NodeProto| ModelProto {
            graph: Some(GraphProto {
                node: vec![node],
                ..GraphProto::default()
            }),
            ..ModelProto::default()
        };
        let axis = |i| AttributeProto {
            name: "axis".into(),
            i,
            ..AttributeProto::default()
        };
        assert!(plausible(&model(node(axis(-1)))).is_ok());
        assert!(plausible(&model(node(axis(i64::MIN)))).is_err());
        let axes = AttributeProto {
            name: "axes".into(),
            ints: vec![0, 65],
            ..AttributeProto::default()
        };
        let body = AttributeProto {
            name: "then_branch".into(),
            g: model(node(axes)).graph,
            ..AttributeProto::default()
        };
        assert!(plausible(&model(node(body))).is_err());
    }

    #[test]
    fn a_tensor_too_large_for_memory_is_refused_before_it_is_made() {
        let model = |sides: [usize; 3]| {
            let mut model = TypedModel::default();
            model
                .add_source("vast", f32::fact(sides))
                .and_then(|_| bounded(model))
        };
        assert!(model([1 << 10, 1 << 10, 1 << 8]).is_ok());
        for sides in [[1 << 10, 1 << 10, 257], [1 << 32, 1 << 30, 4]] {
            let error = contain(|| model(sides).map(drop)).unwrap_err();
            assert!(error.contains("vast"), "{error}");
        }
    }

    #[test]
    fn errors_and_panics_are_text() {
        assert_eq!(contain(|| Ok(3)), Ok(3));
        let index = std::hint::black_box(7);
        assert!(contain(|| Ok([0u8; 3][index])).is_err());
        assert!(!CONTAINED.get());
        assert_eq!(caught(|| [0u8; 3][index]), None);
        // Within one another.
        assert_eq!(
            caught(|| caught(|| [0u8; 3][index]).is_none() && CONTAINED.get()),
            Some(true)
        );
        assert!(!CONTAINED.get());
    }
}
