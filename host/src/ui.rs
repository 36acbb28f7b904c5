//! What a person sees on the terminal: bars while something takes long, tables, one line for an
//! error. Bars go to stderr and are not drawn where that is no terminal.

use std::{
    cell::RefCell,
    io::{self, ErrorKind, Write, stderr, stdout},
    process::exit,
    sync::Once,
    time::Duration,
};

use comfy_table::{CellAlignment, Row, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use lastlayer_shared::error::{one_line, plain};

use crate::pretrained::{cache::CacheError, fetch::Progress};

/// Prints the error and its causes as one line on stderr.
pub fn error(error: &anyhow::Error) {
    complain("error", &one_line(error.as_ref()));
}

/// Prints one line on stderr.
pub fn warn(text: &str) {
    complain("warning", text);
}

/// A stderr that cannot be written leaves nobody to tell; it is no reason to stop or to panic.
fn complain(what: &str, text: &str) {
    let _ = writeln!(stderr(), "{what}: {}", plain(text));
}

/// Says that the cache cannot be used. Once in this process: the reason is the same every time.
pub fn warn_not_kept(error: &CacheError) {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        warn(&format!(
            "nothing is kept for the next time: {}",
            one_line(error)
        ));
    });
}

/// Prints a line to standard output. Ends the program where that cannot be written: quietly where
/// nobody reads on (`lastlayer ... | head`), else as a failure, because a result was lost.
pub fn say(text: std::fmt::Arguments<'_>) {
    if let Err(failed) = writeln!(stdout(), "{text}") {
        exit(after_lost_output(&failed));
    }
}

/// The exit code.
fn after_lost_output(failed: &io::Error) -> i32 {
    if failed.kind() == ErrorKind::BrokenPipe {
        return 0;
    }
    let text = format!("the output cannot be written: {failed}; is the disk full?");
    complain("error", &text);
    1
}

/// `println!` for this program.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => { $crate::ui::say(format_args!($($arguments)*)) };
}

/// A bar that counts to `total`, on stderr, where that is a terminal.
pub fn bar(what: &str, total: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:28} {bar:32} {pos}/{len} {eta}");
    let bar = ProgressBar::new(total).with_message(what.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// Draws fetching: a bar where the size is known, else a spinner with what has come and the time.
#[derive(Default)]
pub struct FetchBar(RefCell<Option<ProgressBar>>);

impl FetchBar {
    /// To be told of everything that a fetcher does, in order.
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
                    None => "{spinner} fetching {msg} {bytes} {elapsed}",
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
            Progress::NotKept { error } => warn_not_kept(&error),
        }
    }
}

/// A plain table of any number of columns; all but the first are numbers. Columns stand in line
/// for wide characters too.
pub fn table<R: Into<Row>>(header: impl Into<Row>, rows: impl IntoIterator<Item = R>) -> String {
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

/// "1 photo", "5 photos".
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
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

    #[test]
    fn columns_of_wide_characters_stand_in_line() {
        let header = ["class".to_owned(), "日本".into(), "car".into()];
        let rows = [["日本", "90.0", "10.0"], ["car", "0.0", "100.0"]];
        let table = table(header, rows);
        // Each of these characters takes two columns of a terminal.
        let width = |line: &str| line.chars().count() + line.matches(['日', '本']).count();
        let widths: Vec<usize> = table.lines().map(width).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    }

    #[test]
    fn only_a_reader_who_went_away_is_no_failure() {
        assert_eq!(after_lost_output(&ErrorKind::BrokenPipe.into()), 0);
        assert_eq!(after_lost_output(&ErrorKind::StorageFull.into()), 1);
    }
}
