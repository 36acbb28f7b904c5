use lastlayer_shared::view::{Flip, Rotate};

use super::*;

fn read(text: &str) -> Result<Settings, String> {
    let settings: Settings = toml::from_str(text).map_err(|error| error.to_string())?;
    settings.check().map_err(|error| error.to_string())?;
    Ok(settings)
}

#[test]
fn a_whole_table_is_read_and_an_empty_one_is_the_default() {
    let settings = read(
        r#"
        source = "/dev/video2"
        width = 1280
        height = 720
        fps = 7.5
        format = "yuyv"
        timeout_seconds = 2
        wait = true

        [controls]
        exposure = 156
        white_balance = 4600
        gain = "auto"
        focus = 0
        brightness = -3
        raw = { 0x00980918 = 1, 9963793 = 2 }

        [view]
        rotate = 270
        flip = "horizontal"
        region = [0.25, 0.5, 0.5, 0.5]
        "#,
    )
    .unwrap();
    assert_eq!(settings.source, CameraAddress::V4l2("/dev/video2".into()));
    assert_eq!(settings.format, Some(PixelFormat::Yuyv));
    assert_eq!(settings.controls.exposure, Some(Control::Fixed(156)));
    assert_eq!(settings.controls.gain, Some(Control::Auto));
    assert_eq!(settings.controls.raw[&ControlId(0x0098_0918)], 1);
    assert_eq!(settings.controls.raw[&ControlId(9_963_793)], 2);
    assert_eq!(settings.view.rotate, Rotate::ThreeQuarters);
    assert_eq!(settings.view.flip, Flip::Horizontal);
    assert_eq!(settings.timeout(), Duration::from_secs(2));
    assert_eq!(read("").unwrap(), Settings::default());
}

#[test]
fn what_is_wrong_is_said_with_its_key_and_what_it_may_be() {
    for (text, expected) in [
        ("width = 641", "camera.width: give an even number"),
        (
            "height = 0",
            "camera.height: give an even number from 16 to 8192",
        ),
        ("fps = 0", "camera.fps: give a number from 0.01 to 1000"),
        ("fps = nan", "camera.fps"),
        ("timeout_seconds = 0.1", "camera.timeout_seconds"),
        ("shake = 2.0", "camera.shake"),
        ("source = \"webcam\"", "rpicam, argus or pipe:COMMAND"),
        (
            "format = \"H264\"",
            "MJPG, YUYV, UYVY, NV12, YU12, RGB3 or GREY",
        ),
        ("colour = 1", "unknown field"),
        ("[controls]\nexposure = \"manual\"", "or a whole number"),
        ("[controls]\nexposure = 99999999999", "too large"),
        ("[controls]\nraw = { brightness = 1 }", "such as 0x00980918"),
        ("[view]\nrotate = 45", "0, 90, 180 or 270"),
        ("[view]\nregion = [0, 0, 2, 1]", "from 0 to 1"),
        ("[view]\nflip = \"both\"", "`horizontal`"),
        ("source = \"rpicam\"\nformat = \"NV12\"", "camera.format"),
        (
            "source = \"rpicam\"\n[controls]\nwhite_balance = 4000",
            "camera.controls.white_balance",
        ),
        (
            "source = \"argus\"\n[controls]\nexposure = 0",
            "camera.controls.exposure",
        ),
        (
            "source = \"pipe:x\"\n[controls]\ngain = 1",
            "camera.controls",
        ),
    ] {
        let message = read(text).unwrap_err();
        assert!(message.contains(expected), "{text}: {message}");
    }
}
