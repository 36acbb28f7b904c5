use super::*;
use crate::view::{Flip, Region, Rotate};
use proptest::prelude::*;

fn imagenet(size: u32) -> Preprocess {
    Preprocess::named("imagenet", size).unwrap()
}

#[test]
fn every_name_is_valid_and_others_are_not() {
    for name in Preprocess::NAMES {
        Preprocess::named(name, 224).unwrap().check().unwrap();
    }
    assert!(Preprocess::named("caffe", 224).is_none());
}

#[test]
fn values_out_of_range_are_refused() {
    let good = imagenet(224);
    let edits: [fn(&mut Preprocess); 7] = [
        |p| p.input_size = 0,
        |p| p.input_size = 4096,
        |p| p.crop_fraction = 0.0,
        |p| p.crop_fraction = f32::NAN,
        |p| p.crop_fraction = 1e-17,
        |p| p.std[1] = 0.0,
        |p| p.mean[2] = f32::INFINITY,
    ];
    for edit in edits {
        let mut bad = good.clone();
        edit(&mut bad);
        assert!(bad.check().is_err(), "{bad:?}");
    }
}

#[test]
fn normalise_follows_the_formula_and_the_channel_order() {
    let frame = Frame::new(32, 32, [255, 0, 51].repeat(32 * 32)).unwrap();
    let rgb = imagenet(32).normalise(&frame).unwrap();
    assert_eq!(rgb.len(), 3 * 32 * 32);
    assert!((rgb[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6);
    assert!((rgb[32 * 32] - (0.0 - 0.456) / 0.224).abs() < 1e-6);
    let bgr = Preprocess {
        channels: Channels::Bgr,
        ..imagenet(32)
    };
    assert!((bgr.normalise(&frame).unwrap()[0] - (0.2 - 0.485) / 0.229).abs() < 1e-6);
    assert!(imagenet(64).normalise(&frame).is_err());
}

#[test]
fn center_keeps_the_middle_and_stretch_the_whole() {
    // Left half black, right half white, twice as wide as high.
    let row: Vec<u8> = (0..128)
        .flat_map(|x| [if x < 64 { 0 } else { 255 }; 3])
        .collect();
    let frame = Frame::new(128, 64, row.repeat(64)).unwrap();
    let middle = imagenet(32).crop(&frame, &View::default()).unwrap();
    assert_eq!((middle.rgb()[0], middle.rgb()[31 * 3]), (0, 255));
    let mut left = frame.rgb().to_vec();
    for (at, byte) in left.iter_mut().enumerate() {
        // A white border that only the whole frame shows.
        if (at / 3) % 128 < 16 {
            *byte = 255;
        }
    }
    let bordered = Frame::new(128, 64, left).unwrap();
    assert_eq!(
        imagenet(32).crop(&bordered, &View::default()).unwrap(),
        middle
    );
    let whole = Preprocess {
        crop: Crop::Stretch,
        crop_fraction: 1.0,
        ..imagenet(32)
    };
    assert_eq!(
        whole.crop(&bordered, &View::default()).unwrap().rgb()[0],
        255
    );
}

#[test]
fn the_smallest_crops_of_the_smallest_frames_are_pictures() {
    for (width, height) in [(1, 1), (1, 90), (90, 1), (33, 7)] {
        let frame = Frame::new(width, height, vec![9; (width * height * 3) as usize]).unwrap();
        for crop in [Crop::Center, Crop::Stretch] {
            let rules = Preprocess {
                crop,
                crop_fraction: 0.01,
                ..imagenet(32)
            };
            assert_eq!(
                rules.crop(&frame, &View::default()).unwrap().rgb(),
                [9; 32 * 32 * 3]
            );
        }
    }
}

#[test]
fn one_pixel_becomes_a_plain_square() {
    let dot = Frame::new(1, 1, vec![9, 8, 7]).unwrap();
    assert_eq!(
        imagenet(32).crop(&dot, &View::default()).unwrap().rgb(),
        [9, 8, 7].repeat(32 * 32)
    );
}

const ROTATIONS: [Rotate; 4] = [
    Rotate::None,
    Rotate::Quarter,
    Rotate::Half,
    Rotate::ThreeQuarters,
];
const FLIPS: [Flip; 3] = [Flip::None, Flip::Horizontal, Flip::Vertical];

/// No two corners alike.
fn uneven(width: u32, height: u32) -> Frame {
    let rgb = (0..height).flat_map(|y| {
        (0..width).flat_map(move |x| {
            let (red, green) = (x * 255 / width, y * 255 / height);
            [red as u8, green as u8, ((x / 7 + y / 5) % 2 * 200) as u8]
        })
    });
    Frame::new(width, height, rgb.collect()).unwrap()
}

#[test]
fn a_view_is_the_same_as_turning_and_cutting_the_frame_first() {
    let frame = uneven(160, 120);
    for crop in [Crop::Center, Crop::Stretch] {
        let rules = Preprocess {
            crop,
            ..imagenet(32)
        };
        for rotate in ROTATIONS {
            for flip in FLIPS {
                let turned = View {
                    rotate,
                    flip,
                    region: Region::default(),
                };
                let view = View {
                    region: [0.25, 0.5, 0.5, 0.25].try_into().unwrap(),
                    ..turned
                };
                let mut upright = turned.turn(frame.clone().into_image());
                let (width, height) = upright.dimensions();
                let (x, y) = (width / 4, height / 2);
                let cut =
                    image::imageops::crop(&mut upright, x, y, width / 2, height / 4).to_image();
                let expected = rules.crop(&cut.into(), &View::default()).unwrap();
                let got = rules.crop(&frame, &view).unwrap();
                // Pixels beyond the cut do not count in one and cannot be seen in the other; and
                // rows before columns round otherwise than columns before rows.
                let far = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 2;
                let far = got.rgb().iter().zip(expected.rgb()).filter(|p| far(*p));
                assert_eq!(far.count(), 0, "{crop:?} {view:?}");
            }
        }
    }
}

#[test]
fn the_default_view_changes_nothing_and_a_mirror_twice_neither() {
    let frame = uneven(90, 60);
    let rules = imagenet(32);
    let plain = rules.crop(&frame, &View::default()).unwrap();
    let half = View {
        rotate: Rotate::Half,
        ..View::default()
    };
    let turned: Frame = half.turn(frame.into_image()).into();
    assert_eq!(rules.crop(&turned, &half).unwrap(), plain);
}

proptest! {
    #[test]
    fn every_region_of_every_frame_is_a_picture(
        (width, height) in (1u32..40, 1u32..40), (x, y) in (0.0f32..1.0, 0.0f32..1.0),
        (wide, high) in (0.01f32..1.0, 0.01f32..1.0), rotate in 0usize..4, flip in 0usize..3,
        fraction in 0.01f32..1.0, stretch: bool,
    ) {
        let region = [x, y, wide.min(1.0 - x).max(0.01), high.min(1.0 - y).max(0.01)];
        let Ok(region) = region.try_into() else {
            return Ok(());
        };
        let view = View { rotate: ROTATIONS[rotate], flip: FLIPS[flip], region };
        let rules = Preprocess {
            crop: if stretch { Crop::Stretch } else { Crop::Center },
            crop_fraction: fraction,
            ..imagenet(32)
        };
        let frame = Frame::new(width, height, [9, 8, 7].repeat((width * height) as usize)).unwrap();
        let plain = [9, 8, 7].repeat(32 * 32);
        let crop = rules.crop(&frame, &view).unwrap();
        prop_assert_eq!(crop.rgb(), plain);
    }
}
