//! The same photo through every format that cameras send, as bytes and through a child process: the
//! network must see the same.

use std::time::Duration;

use image::{RgbImage, imageops};
use lastlayer_firmware::camera::{CameraAddress, Keeper, PixelFormat, Settings, Step};
use lastlayer_shared::{backbone::Backbone, frame::Frame, package::Package};
use yuv::{
    BufferStoreMut, YuvBiPlanarImageMut, YuvChromaSubsampling, YuvConversionMode,
    YuvPackedImageMut, YuvPlanarImageMut, YuvRange, YuvStandardMatrix,
};

use crate::support::*;

const RANGE: YuvRange = YuvRange::Limited;
const MATRIX: YuvStandardMatrix = YuvStandardMatrix::Bt601;
const MODE: YuvConversionMode = YuvConversionMode::Balanced;
/// A small camera's frame.
const WIDTH: u32 = 320;
const HEIGHT: u32 = 240;

/// A camera's bytes for this frame, and the length of a row of the first plane.
fn sent(format: PixelFormat, frame: &Frame) -> (u32, Vec<u8>) {
    let rgb = frame.rgb();
    let planes = |subsampling| {
        let mut image = YuvPlanarImageMut::<u8>::alloc(WIDTH, HEIGHT, subsampling);
        let convert = match subsampling {
            YuvChromaSubsampling::Yuv420 => yuv::rgb_to_yuv420,
            _ => yuv::rgb_to_yuv422,
        };
        convert(&mut image, rgb, WIDTH * 3, RANGE, MATRIX, MODE).unwrap();
        image
    };
    match format {
        PixelFormat::Yuyv | PixelFormat::Uyvy => {
            let from = planes(YuvChromaSubsampling::Yuv422);
            let mut bytes = vec![0; (WIDTH * HEIGHT * 2) as usize];
            let mut image = YuvPackedImageMut {
                yuy: BufferStoreMut::Borrowed(&mut bytes),
                yuy_stride: WIDTH * 2,
                width: WIDTH,
                height: HEIGHT,
            };
            match format {
                PixelFormat::Yuyv => yuv::yuv422_to_yuyv422(&mut image, &from.to_fixed()),
                _ => yuv::yuv422_to_uyvy422(&mut image, &from.to_fixed()),
            }
            .unwrap();
            (WIDTH * 2, bytes)
        }
        PixelFormat::Nv12 => {
            let subsampling = YuvChromaSubsampling::Yuv420;
            let mut image = YuvBiPlanarImageMut::<u8>::alloc(WIDTH, HEIGHT, subsampling);
            yuv::rgb_to_yuv_nv12(&mut image, rgb, WIDTH * 3, RANGE, MATRIX, MODE).unwrap();
            (
                WIDTH,
                [image.y_plane.borrow(), image.uv_plane.borrow()].concat(),
            )
        }
        PixelFormat::Yu12 => {
            let image = planes(YuvChromaSubsampling::Yuv420);
            let planes = [&image.y_plane, &image.u_plane, &image.v_plane];
            (WIDTH, planes.map(|plane| plane.borrow()).concat())
        }
        PixelFormat::Rgb24 => (WIDTH * 3, rgb.to_vec()),
        PixelFormat::Mjpeg => (0, frame.to_jpeg().unwrap()),
        PixelFormat::Grey => (WIDTH, rgb.chunks_exact(3).map(luma).collect()),
    }
}

/// BT.601.
fn luma(pixel: &[u8]) -> u8 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(f32::from);
    (0.299 * r + 0.587 * g + 0.114 * b).round() as u8
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn every_pixel_format_gives_the_same_embedding() {
    let package = Package::open(bare_package()).unwrap();
    let backbone = Backbone::load(&package.backbone, &package.preprocess).unwrap();
    let mut embedder = backbone.embedder().unwrap();
    let photos: Vec<Frame> = ["car", "bird", "frog", "ship"]
        .iter()
        .flat_map(|class| &pictures().1[class][..4])
        .map(|picture: &RgbImage| {
            let filter = imageops::FilterType::CatmullRom;
            imageops::resize(picture, WIDTH, HEIGHT, filter).into()
        })
        .collect();
    for format in PixelFormat::ALL {
        let mut worst = 1.0f32;
        for photo in &photos {
            let (stride, bytes) = sent(format, photo);
            let got = format.decode(WIDTH, HEIGHT, stride, &bytes).unwrap();
            let expected = match format {
                PixelFormat::Grey => {
                    let grey = photo
                        .rgb()
                        .chunks_exact(3)
                        .flat_map(|pixel| [luma(pixel); 3]);
                    Frame::new(WIDTH, HEIGHT, grey.collect()).unwrap()
                }
                _ => photo.clone(),
            };
            let (a, b) = (
                embedder.embed(&expected).unwrap(),
                embedder.embed(&got).unwrap(),
            );
            worst = worst.min(cosine(&a, &b));
        }
        println!(
            "{format:?}: smallest cosine over {} photos {worst:.5}",
            photos.len()
        );
        assert!(worst >= 0.99, "{format:?}: {worst}");
    }
}

#[test]
fn a_child_process_gives_the_same_frame_in_every_pixel_format() {
    let folder = tempfile::tempdir().unwrap();
    let filter = imageops::FilterType::CatmullRom;
    let photo = imageops::resize(&pictures().1["car"][0], WIDTH, HEIGHT, filter).into();
    for format in PixelFormat::ALL {
        let (stride, bytes) = sent(format, &photo);
        let path = folder.path().join(format.name());
        std::fs::write(&path, &bytes).unwrap();
        let settings = Settings {
            source: CameraAddress::Pipe(format!("cat {}; sleep 5", path.display()).into()),
            width: WIDTH,
            height: HEIGHT,
            format: Some(format),
            ..Settings::default()
        };
        let mut camera = Keeper::start(&settings).unwrap();
        let got = loop {
            match camera.step(Duration::ZERO) {
                Step::Frame(capture) => break capture.frame,
                Step::Nothing => {}
                other => panic!("{format:?}: {other:?}"),
            }
        };
        let expected = format.decode(WIDTH, HEIGHT, stride, &bytes).unwrap();
        assert_eq!(got, expected, "{format:?}");
    }
}
