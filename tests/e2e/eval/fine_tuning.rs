//! `lastlayer eval --fine-tune`: what it is worth to tune the last layer.

use lastlayer_shared::{
    backbone::Backbone,
    frame::Frame,
    operators::Operators,
    package::Package,
    tuning::{Cut, Layer},
    view::View,
};

use super::{eval, few_photos, full_package};
use crate::{export::every_eighth, support::*};

#[test]
fn the_last_layer_of_the_real_network_can_be_tuned() {
    let folder = tempfile::tempdir().unwrap();
    for class in ["car", "truck", "frog"] {
        write_photos(&folder.path().join(class), class, 0, 24);
    }
    let more = ["--fine-tune", "--shots", "2,20", "--splits", "2"];
    let rows = eval(bare_package(), folder.path(), &more);
    let [few, many] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    // Two photos a class leave too few to judge by: everything stays as it is.
    assert_eq!(few["tuned"], 0);
    assert_eq!(few["accuracies"], few["accuracies_tuned"]);
    assert_eq!(many["splits"], 2);
    for key in ["accuracies", "accuracies_tuned"] {
        let shares: Vec<f64> = serde_json::from_value(many[key].clone()).unwrap();
        assert!(shares.iter().all(|share| *share > 0.6), "{key} {shares:?}");
    }
    assert!(many["train_peak_bytes"].as_u64().unwrap() > 1_000_000);
}

#[test]
fn fine_tuning_is_worth_its_while_on_vehicles() {
    let Some(vehicles) = shared_data("vehicles") else {
        return skip("../shared");
    };
    let folder = tempfile::tempdir().unwrap();
    let photos = folder.path().join("photos");
    every_eighth(&vehicles, &photos, 8);
    let package = folder.path().join("network");
    full_package(&package, &["--no-taps"]);
    // All 20 splits: so few photos are left to test by that one of them says little.
    let rows = eval(
        &package.with_extension("llp"),
        &photos,
        &["--fine-tune", "--shots", "50"],
    );
    println!("fine-tuning: {}", rows[0]);
    assert!(rows[0]["gain"].as_f64().unwrap() >= 0.008);
    assert!(rows[0]["train_peak_bytes"].as_u64().unwrap() < 200_000_000);
}

/// The real network, cut in two, says what it says in one piece; and another layer is another network.
#[test]
fn a_network_is_its_trunk_and_its_last_layer() {
    let package = Package::open(bare_package()).unwrap();
    let (onnx, preprocess) = (&package.backbone, &package.preprocess);
    let backbone = Backbone::load(onnx, preprocess).unwrap();
    let cut = Cut::of(onnx, preprocess).unwrap().unwrap();
    assert_eq!((cut.layer.inputs(), cut.layer.outputs()), (320, 1280));
    let folder = tempfile::tempdir().unwrap();
    few_photos(folder.path());
    let photo = Frame::open(&folder.path().join("car").join("000.png")).unwrap();
    let crop = preprocess.crop(&photo, &View::default()).unwrap();
    let map = cut
        .trunk(preprocess, Operators::default())
        .unwrap()
        .map(&crop)
        .unwrap();
    let whole = backbone.embedder().unwrap().embed_crop(&crop).unwrap();
    let last = &whole[..backbone.layout().last()];
    let parts = cut.layer.embed(&map);
    let off = |a: &[f32], b: &[f32]| {
        a.iter()
            .zip(b)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    };
    // Maps are kept as half floats.
    assert!(off(&parts, last) < 0.02, "{}", off(&parts, last));

    let (weights, bias) = cut.layer.weights();
    let halves = weights.iter().map(|v| v / 2.0).collect();
    let half = Layer::new(halves, bias.to_vec(), 0.0, 6.0).unwrap();
    let tuned = cut.with(&half).unwrap();
    let tuned = Backbone::load(&tuned, preprocess).unwrap();
    let said = tuned.embedder().unwrap().embed_crop(&crop).unwrap();
    assert!(off(&half.embed(&map), &said[..1280]) < 0.02);
    assert_eq!(said[1280..], whole[1280..]);
    assert_ne!(tuned.id(), backbone.id());
    // Beside the other it leaves that as it was.
    let both = Backbone::load_tuned(
        &cut.beside(&half).unwrap(),
        preprocess,
        Operators::default(),
    )
    .unwrap();
    assert_eq!(both.layout(), backbone.layout());
    let said = both.embedder().unwrap().embed_crop(&crop).unwrap();
    assert!(off(&whole, &said[..whole.len()]) < 1e-4);
    assert!(off(&half.embed(&map), &said[whole.len()..]) < 0.02);
    let narrow = Layer::new(vec![0.0; 3], vec![0.0; 3], 0.0, 6.0).unwrap();
    assert!(cut.with(&narrow).is_none() && cut.beside(&narrow).is_none());
}
