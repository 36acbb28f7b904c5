//! A network before its last layer, and that layer: together they must give what the whole does.

use lastlayer_shared::{
    backbone::Backbone,
    contain::PANICKED,
    operators::Operators,
    tuning::{Cut, Layer, Map},
};

use super::backbone::{load_and_run, picture, preprocess, run_loaded};

/// Of a network that loads and runs, and its embedding.
pub fn run(bytes: &[u8], embedding: &[f32]) {
    let Some(cut) = Cut::of(bytes, &preprocess()).expect("what loads can be read") else {
        return;
    };
    let whole = cut.with(&cut.layer).expect("the layer is of its own form");
    assert_eq!(load_and_run(&whole).as_deref(), Ok(embedding));
    // Names of the network's own may be in the way of another layer's: that is an error then.
    let both = cut
        .beside(&cut.layer)
        .expect("the layer is of its own form");
    let both = Backbone::load_tuned(&both, &preprocess(), Operators::default());
    if let Ok(said) = run_loaded(both, cut.layer.outputs()) {
        assert_eq!(&said[..embedding.len()], embedding);
    }
    let trunk = cut.trunk(&preprocess(), Operators::default());
    let map = match trunk.and_then(|mut trunk| trunk.map(&picture())) {
        Ok(map) => map,
        Err(error) => {
            // Maps are half floats, of which more numbers are not finite.
            assert!(!error.to_string().contains(PANICKED), "tract panicked");
            return;
        }
    };
    let tuned = cut.layer.embed(&map);
    assert_eq!(tuned.len(), cut.layer.outputs());
    let Some(tolerance) = tolerance(&cut.layer, &map) else {
        return;
    };
    for (a, b) in tuned.iter().zip(embedding) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b} to {tolerance}");
    }
}

/// What the rounding of a map to half precision may do to an embedding, whatever cancels out; `None`
/// where that is not worth its time.
fn tolerance(layer: &Layer, map: &Map) -> Option<f32> {
    let inputs = layer.inputs();
    if inputs > 64 {
        return None;
    }
    // What is above and what is below 0 in every channel.
    let mut parts = vec![0.0; 2 * inputs * inputs];
    for channel in 0..inputs {
        parts[channel * inputs + channel] = 1.0;
        parts[(inputs + channel) * inputs + channel] = -1.0;
    }
    let parts = Layer::new(parts, vec![0.0; 2 * inputs], 0.0, f32::MAX)?;
    let most = |numbers: &[f32]| numbers.iter().fold(0.0f32, |most, v| most.max(v.abs()));
    let (weights, bias) = layer.weights();
    let size: f32 = parts.embed(map).iter().sum();
    Some(2e-3 * (size * most(weights) + most(bias)) + 1e-7 * most(weights) * inputs as f32)
}
