//! What a person sees on the terminal: bars while something takes long, tables, one line for an
//! error. Bars go to stderr and are not drawn where that is no terminal.

use std::{
    cell::RefCell,
    io::{Write, stdout},
    time::Duration,
};

use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use lastlayer_shared::error::one_line;

use crate::pretrained::fetch::Progress;

pub fn error(error: &anyhow::Error) {
    eprintln!("error: {}", one_line(error.as_ref()));
}

/// Prints to standard output; ends the program quietly where nobody reads on (`lastlayer ... | head`).
pub fn say(text: std::fmt::Arguments<'_>) {
    if writeln!(stdout(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// `println!` for this program.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => { $crate::ui::say(format_args!($($arguments)*)) };
}

pub fn warn(text: &str) {
    eprintln!("warning: {text}");
}

/// A bar that counts to `total`.
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} {bar:32} {pos}/{len} {eta}");
    let bar = ProgressBar::new(total).with_message(what.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Draws fetching: a bar where the size is known, else a spinner with the time.
#[derive(Default)]
pub struct FetchBar(RefCell<Option<ProgressBar>>);

impl FetchBar {
    pub fn draw(&self, progress: Progress<'_>) {
        let mut bar = self.0.borrow_mut();
        match progress {
            Progress::Started { what, bytes } => {
                let new = match bytes {
                    Some(bytes) => ProgressBar::new(bytes),
                    None => ProgressBar::new_spinner(),
                };
                let template = match bytes {
                    Some(_) => {
                        "fetching {msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
                    }
                    None => "{spinner} fetching {msg} {elapsed}",
                };
                if let Ok(style) = ProgressStyle::with_template(template) {
                    new.set_style(style);
                }
                new.set_message(what.to_owned());
                new.enable_steady_tick(Duration::from_millis(120));
                *bar = Some(new);
            }
            Progress::Received { bytes } => {
                if let Some(bar) = bar.as_ref() {
                    bar.set_position(bytes);
                }
            }
            Progress::Finished => {
                if let Some(bar) = bar.take() {
                    bar.finish_and_clear();
                }
            }
        }
    }
}

/// A plain table; all columns but the first are numbers.
pub fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// 3504872 -> "3.50 M".
pub fn amount(number: u64) -> String {
    match number {
        0..10_000 => format!("{number} "),
        10_000..1_000_000 => format!("{:.1} k", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M", number as f64 / 1e6),
        _ => format!("{:.2} G", number as f64 / 1e9),
    }
}

/// 9084095 -> "9.08 MB".
pub fn bytes(number: u64) -> String {
    format!("{}B", amount(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        assert_eq!(amount(9_999), "9999 ");
        assert_eq!(amount(3_504_872), "3.50 M");
        assert_eq!(bytes(9_084_095), "9.08 MB");
        assert_eq!(bytes(12), "12 B");
    }
}
