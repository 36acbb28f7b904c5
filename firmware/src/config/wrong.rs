//! What serde and the TOML reader say about a wrong line, in the words of whoever wrote that line:
//! the key, and the form that is wanted there.

/// A key that is less alike is no slip of the pen (Jaro-Winkler, 0..=1).
const ALIKE: f64 = 0.8;
/// A longer value is not repeated; whoever wrote it sees it in the file.
const LONGEST: usize = 40;

/// What the TOML reader says of text that is no TOML, by how it begins, and what is meant.
const NO_TOML: [(&str, &str); 7] = [
    (
        "key with no value",
        "there is no `=` here; write KEY = VALUE",
    ),
    (
        "unexpected key or value",
        "something stands after the value; put text in quotes, and every key on a line of its own",
    ),
    ("unclosed table", "a `]` is missing"),
    ("unclosed inline table", "a `}` is missing"),
    ("unexpected leading zero", "a number does not begin with 0"),
    (
        "missing escaped value",
        "a backslash between double quotes is written twice; between single quotes once",
    ),
    ("invalid ", "a quote is missing, or one is too many"),
];

/// `path` is the key as `camera.source`, empty where the text is no TOML; `given` is what stands
/// in the text where the mistake is.
pub fn reason(path: &str, message: &str, given: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if path.is_empty() || path == "." {
        return no_toml(&message, given.trim());
    }
    if message.starts_with("unknown field") {
        return suggest(&message);
    }
    if given.starts_with("[[") {
        let table = path.trim_end_matches("[0]");
        return format!("{table}: there is only one; write [{table}], with one pair of brackets");
    }
    let path = with_place(path);
    let key = path.rsplit('.').next().unwrap_or_default();
    format!("{path}: {}", value(&path, key, &message, given.trim()))
}

/// Outputs have no names: the first is `output 1` everywhere else too.
fn with_place(path: &str) -> String {
    let place = path.strip_prefix("output[").and_then(|rest| {
        let (place, rest) = rest.split_once(']')?;
        let place: usize = place.parse().ok()?;
        Some(format!("output {}{rest}", place + 1))
    });
    place.unwrap_or_else(|| path.to_owned())
}

fn no_toml(message: &str, given: &str) -> String {
    if message == "duplicate key" {
        return format!("`{given}` is there twice; keep one, with all that belongs to it");
    }
    if message.starts_with("string values must be quoted") {
        return match given {
            "" => "there is no value after `=`".into(),
            _ => format!(
                "text is written in quotes: \"{given}\"; only true, false and numbers go without"
            ),
        };
    }
    let known = NO_TOML.iter().find(|(start, _)| message.starts_with(start));
    known.map_or(message, |(_, words)| words).into()
}

/// What is wrong with the value of `key`, the last part of `path`.
fn value(path: &str, key: &str, message: &str, given: &str) -> String {
    if message.starts_with("unknown variant") {
        return suggest(message);
    }
    if message == "missing field `line`" {
        return "it has no `line`; add one, such as line = \"GPIO17\"".into();
    }
    let number = |given: &str| match given.starts_with('-') {
        true => format!("give a larger number than {given}"),
        false => format!("give a smaller number than {given}"),
    };
    let wanted = match message.split_once(", expected ") {
        Some((wrong, wanted)) => form(path, key, wrong, wanted),
        None if message == "wanted string or table" => Some("text in quotes".into()),
        None if message == "this number is too large" => return number(given),
        // Our own words, of which some begin with the key.
        None => return message.trim_start_matches(&format!("{key}: ")).into(),
    };
    match wanted {
        None => number(given),
        Some(form) if form.starts_with("write ") => form,
        Some(form) if given.is_empty() || given.len() > LONGEST || given.contains('\n') => {
            format!("give {form}")
        }
        Some(form) => format!("give {form}, not {given}"),
    }
}

/// The form that serde's `wanted` stands for, where `wrong` was found. `None`: the same, nearer to 0.
fn form(path: &str, key: &str, wrong: &str, wanted: &str) -> Option<String> {
    let text = wrong.strip_prefix("invalid type: string ");
    let number = wrong.strip_prefix("invalid type: integer ");
    // As TOML has it: text in double quotes, and numbers in none.
    let given = text.or(number).map(|value| value.trim_matches('`'));
    let unquoted = text.map_or("", |_| " without quotes");
    // Out of range, then.
    let whole = wrong.contains(": integer `");
    Some(match wanted {
        "u16" | "u32" | "u64" if wrong.contains(": integer `-") => "a whole number from 0".into(),
        "u16" | "u32" | "u64" | "i32" if whole => return None,
        "u16" | "u32" | "u64" | "i32" => format!("a whole number{unquoted}"),
        "f32" | "f64" => format!("a number{unquoted}"),
        "a boolean" => format!("true or false{unquoted}"),
        "a string" | "path string" => "text in quotes".into(),
        "struct ButtonLine" | "struct ButtonLine with 4 elements" => {
            let line = given.unwrap_or("\"GPIO17\"");
            format!("write {key} = {{ line = {line} }}")
        }
        "struct LightLine" | "struct LightLine with 3 elements" => {
            let line = given.unwrap_or("\"GPIO23\"");
            format!("write {key} = {{ line = {line} }}")
        }
        "struct ClassLines" => {
            let line = given.unwrap_or("\"GPIO12\"");
            format!(
                "write {key} = {{ light = {{ line = {line} }} }}, or `button` for `light`, or both"
            )
        }
        "a sequence" if key == "command" => {
            let words = text.map_or("logger x", |text| text.trim_matches('"'));
            let words = words.split(' ').map(|word| format!("\"{word}\""));
            let words = words.collect::<Vec<_>>().join(", ");
            format!("write the program and its arguments as a list: command = [{words}]")
        }
        "an array of length 4" => {
            "write region = [x, y, width, height], shares of the picture from 0 to 1".into()
        }
        "a map" if key == "raw" => {
            "write raw = { 0x00980918 = 1 }, with the control's own number".into()
        }
        "a map" | "a sequence" => table(path),
        _ if wanted.starts_with("struct ") => table(path),
        _ => wanted.into(),
    })
}

/// How a table is written, with one of its keys.
fn table(path: &str) -> String {
    let (heading, example) = match path {
        "camera" => ("[camera]", "source = \"/dev/video0\""),
        "camera.controls" => ("[camera.controls]", "exposure = 156"),
        "camera.view" => ("[camera.view]", "rotate = 90"),
        "panel" => ("[panel]", "teach = { line = \"GPIO17\" }"),
        "panel.classes" => ("[panel.classes]", "car = { light = { line = \"GPIO12\" } }"),
        "burst" => ("[burst]", "frames = 10"),
        "guard" => ("[guard]", "points = 5.0"),
        "tuning" => ("[tuning]", "quiet_seconds = 60.0"),
        "update" => ("[update]", "seconds = 60.0"),
        "trust" => ("[trust]", "keys = [\"maker.pub\"]"),
        "memory" => ("[memory]", "samples = 2000"),
        "verdict" => ("[verdict]", "margin = 0.1"),
        _ => (
            "[[output]], with two brackets,",
            "command = [\"logger\", \"x\"]",
        ),
    };
    format!("write {heading} on a line of its own, and its keys below it, such as {example}")
}

/// An unknown key with the known one that looks most like it. serde says "unknown field `a`,
/// expected one of `b`, `c`".
fn suggest(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let Some(wrong) = quoted.next() else {
        return message.into();
    };
    let known: Vec<&str> = quoted.collect();
    let kind = match message.starts_with("unknown field") {
        true => "is not a key here",
        false => "is none of the values here",
    };
    let alike = |known: &&str| strsim::jaro_winkler(wrong, known);
    match known
        .iter()
        .copied()
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
    {
        Some(best) if alike(&best) >= ALIKE => format!("`{wrong}` {kind}; did you mean `{best}`?"),
        _ => format!("`{wrong}` {kind}; there are: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests;
