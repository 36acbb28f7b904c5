use std::path::Path;

use crate::config::Config;

/// The wrong text, the line of it that is named, and what is said.
#[rustfmt::skip]
const WRONG: [(&str, usize, &str); 62] = [
    // Slips of the pen.
    ("# board\npakage = 'a.llp'", 2, "`pakage` is not a key here; did you mean `package`?"),
    ("Camera = 1", 1, "`Camera` is not a key here; did you mean `camera`?"),
    ("[burst]\nframs = 3", 2, "`frams` is not a key here; did you mean `frames`?"),
    ("[burst]\nxyz = 3", 2, "`xyz` is not a key here; there are: frames, seconds, fewest, sharpness, change"),
    ("[panel.classes]\ncar = { lamp = { line = 12 } }", 2, "`lamp` is not a key here; there are: button, light"),
    ("log = 'jsn'", 1, "log: `jsn` is none of the values here; did you mean `json`?"),
    ("[panel]\nteach = { line = 17, bias = 'up' }", 2, "panel.teach.bias: `up` is none of the values here; there are: pull-up, pull-down, disabled, as-is"),
    // Values of another kind.
    ("package = 5", 1, "package: give text in quotes, not 5"),
    ("state = ['a']", 1, "state: give text in quotes, not ['a']"),
    ("log = 5", 1, "log: give text in quotes, not 5"),
    ("name = true", 1, "name: give text in quotes, not true"),
    ("[camera]\nsource = 0", 2, "camera.source: give text in quotes, not 0"),
    ("[camera]\nwidth = '640'", 2, "camera.width: give a whole number without quotes, not '640'"),
    ("[camera]\nwidth = 640.0", 2, "camera.width: give a whole number, not 640.0"),
    ("[camera]\nwidth = -640", 2, "camera.width: give a whole number from 0, not -640"),
    ("[camera]\nwidth = 99999999999", 2, "camera.width: give a smaller number than 99999999999"),
    ("[camera]\nseed = 99999999999999999999", 2, "camera.seed: give a smaller number than 99999999999999999999"),
    ("[camera]\nfps = '30'", 2, "camera.fps: give a number without quotes, not '30'"),
    ("[camera]\nwait = 'yes'", 2, "camera.wait: give true or false without quotes, not 'yes'"),
    ("[camera]\nwait = 1", 2, "camera.wait: give true or false, not 1"),
    ("[camera]\nformat = 'JPEG'", 2, "camera.format: give MJPG, YUYV, UYVY, NV12, YU12, RGB3 or GREY"),
    ("[camera.controls]\nexposure = 'manual'", 2, "camera.controls.exposure: give \"auto\" or a whole number, not 'manual'"),
    ("[camera.controls]\nexposure = 99999999999", 2, "camera.controls.exposure: give a smaller number than 99999999999"),
    ("[camera.controls]\nbrightness = 'high'", 2, "camera.controls.brightness: give a whole number without quotes, not 'high'"),
    ("[camera.controls]\nbrightness = -99999999999", 2, "camera.controls.brightness: give a larger number than -99999999999"),
    ("[camera.controls]\nraw = 5", 2, "camera.controls.raw: write raw = { 0x00980918 = 1 }, with the control's own number"),
    ("[camera.controls.raw]\npower = 1", 2, "camera.controls.raw.power: give the number of a control, such as 0x00980918"),
    ("[camera.view]\nrotate = 45", 2, "camera.view.rotate: give 0, 90, 180 or 270 degrees, not 45"),
    ("[camera.view]\nflip = true", 2, "camera.view.flip: give text in quotes, not true"),
    ("[camera.view]\nregion = [0.0, 0.0, 1.0]", 2, "camera.view.region: write region = [x, y, width, height], shares of the picture from 0 to 1"),
    ("[camera.view]\nregion = [0.0, 0.0, 1.0, 'x']", 2, "camera.view.region[3]: give a number without quotes, not 'x'"),
    ("[panel]\ndebounce_ms = 20.5", 2, "panel.debounce_ms: give a whole number, not 20.5"),
    ("[burst]\nframes = 'ten'", 2, "burst.frames: give a whole number without quotes, not 'ten'"),
    ("[burst]\nframes = 1979-05-27", 2, "burst.frames: give a whole number, not 1979-05-27"),
    ("[verdict]\nmargin = true", 2, "verdict.margin: give a number, not true"),
    ("[[output]]\n[[output]]\npulse_ms = -1", 3, "output 2.pulse_ms: give a whole number from 0, not -1"),
    // Wires.
    ("[panel]\nteach = 'GPIO17'", 2, "panel.teach: write teach = { line = \"GPIO17\" }"),
    ("[panel]\nnext = 27", 2, "panel.next: write next = { line = 27 }"),
    ("[panel]\nundo = []", 2, "panel.undo: write undo = { line = \"GPIO17\" }"),
    ("[panel]\nstatus = 'GPIO22'", 2, "panel.status: write status = { line = \"GPIO22\" }"),
    ("[panel]\nteach = { chip = 'gpiochip0' }", 2, "panel.teach: it has no `line`; add one, such as line = \"GPIO17\""),
    ("[panel]\nteach = { line = 1.5 }", 2, "panel.teach.line: give a line's name such as \"GPIO17\", or its number such as 17, not 1.5"),
    ("[panel.classes]\ncar = 'GPIO12'", 2, "panel.classes.car: write car = { light = { line = \"GPIO12\" } }, or `button` for `light`, or both"),
    ("[panel.classes]\ncar.light = 'GPIO12'", 2, "panel.classes.car.light: write light = { line = \"GPIO12\" }"),
    ("[[output]]\nline = 'GPIO23'", 2, "output 1.line: write line = { line = \"GPIO23\" }"),
    // Tables and lists.
    ("camera = '/dev/video0'", 1, "camera: write [camera] on a line of its own, and its keys below it, such as source = \"/dev/video0\""),
    ("panel = 'keyboard'", 1, "panel: write [panel] on a line of its own, and its keys below it, such as teach = { line = \"GPIO17\" }"),
    ("[[camera]]\nwidth = 640", 1, "camera: there is only one; write [camera], with one pair of brackets"),
    ("[output]\nline = { line = 1 }", 1, "output: write [[output]], with two brackets, on a line of its own, and its keys below it, such as command = [\"logger\", \"x\"]"),
    ("[[output]]\ncommand = 'logger x'", 2, "output 1.command: write the program and its arguments as a list: command = [\"logger\", \"x\"]"),
    ("[[output]]\ncommand = ['logger', 1]", 2, "output 1.command[1]: give text in quotes, not 1"),
    // No TOML.
    ("package = a.llp", 1, "text is written in quotes: \"a.llp\"; only true, false and numbers go without"),
    ("[burst]\nframes =", 2, "there is no value after `=`"),
    ("[burst]\nframes = 3\nframes = 4", 3, "`frames` is there twice; keep one, with all that belongs to it"),
    ("[burst]\n[burst]", 2, "`burst` is there twice; keep one, with all that belongs to it"),
    ("[burst\n", 1, "a `]` is missing"),
    ("[panel]\nteach = { line = 'GPIO17'", 2, "a `}` is missing"),
    ("frames: 10", 1, "there is no `=` here; write KEY = VALUE"),
    ("[camera]\nfps = 1,5", 2, "something stands after the value; put text in quotes, and every key on a line of its own"),
    ("[burst]\nframes = 010", 2, "a number does not begin with 0"),
    ("name = \"gate", 1, "a quote is missing, or one is too many"),
    ("name = \"C:\\dir\"", 1, "a backslash between double quotes is written twice; between single quotes once"),
];

#[test]
fn every_wrong_line_is_told_what_it_should_be() {
    for (text, line, reason) in WRONG {
        let error = Config::parse(text, Path::new("board.toml")).unwrap_err();
        let expected = format!("board.toml, line {line}: {reason}");
        assert_eq!(error.to_string(), expected, "{text}");
    }
}
