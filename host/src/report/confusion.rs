//! What is taken for what: every class against every answer, with example photos.

use maud::{Markup, html};

use super::{Report, per_cent};
use crate::evaluate::Score;

/// Up to so many classes have a photo in every cell.
const WITH_PHOTOS: usize = 12;
/// Of more classes than this those are shown that are mistaken most often.
const MOST: usize = 40;
/// So many of the commonest mistakes are shown one by one.
const MISTAKES: usize = 8;

/// One cell: a class, what it was called, how often that was said of its photos.
struct Cell {
    is: usize,
    said: usize,
    count: u64,
    /// Of all that was said of the class, 0..=1.
    share: f64,
    /// The photo of the class that was called so most often.
    photo: Option<usize>,
}

fn cell(score: &Score, is: usize, said: usize) -> Cell {
    let row = &score.confusion[is];
    let count = row[said];
    Cell {
        is,
        said,
        count,
        share: count as f64 / row.iter().sum::<u64>().max(1) as f64,
        photo: score.examples[is][said],
    }
}

/// What stands in a cell: short, and never 0 or 100 where that is not so.
fn short(cell: &Cell) -> String {
    match cell.share * 100.0 {
        share if share > 99.5 && share < 100.0 => "99+".into(),
        share if share > 0.0 && share < 0.5 => "<1".into(),
        share => format!("{share:.0}"),
    }
}

impl Report<'_> {
    fn name(&self, class: usize) -> &str {
        self.classes().get(class).map_or("", String::as_str)
    }

    /// The cell's photo, or nothing where there is none or it cannot be read.
    fn picture(&self, cell: &Cell) -> Markup {
        let photo = cell
            .photo
            .and_then(|photo| self.photos.photos.get(photo))
            .and_then(|(_, path)| super::picture::data(path, self.preprocess));
        let (is, said) = (self.name(cell.is), self.name(cell.said));
        html! {
            @if let Some(data) = photo {
                img src=(data) alt=(format!("{is} that was called {said}")) width="96" height="96";
            }
        }
    }
}

/// The classes that are shown, ascending.
fn shown(score: &Score) -> Vec<usize> {
    let mut classes: Vec<usize> = (0..score.confusion.len()).collect();
    classes.sort_by(|&a, &b| {
        let right = |class| cell(score, class, class).share;
        right(a).total_cmp(&right(b))
    });
    classes.truncate(MOST);
    classes.sort_unstable();
    classes
}

pub fn matrix(report: &Report<'_>, score: &Score) -> Markup {
    let all = score.confusion.len();
    let classes = shown(score);
    let photos = classes.len() <= WITH_PHOTOS;
    html! {
        @if classes.len() < all {
            p { "Of the " (all) " classes the " (classes.len()) " are shown that it mistakes most." }
        }
        div.scroll tabindex="0" role="region" aria-label="Table of what is taken for what" {
            table.matrix.photos[photos].dense[!photos] style={ "--classes:" (classes.len()) } {
                thead { tr {
                    td.corner { "called →" br; "is ↓" }
                    @for &said in &classes {
                        th scope="col" title=(report.name(said)) { span { bdi { (report.name(said)) } } }
                    }
                } }
                tbody {
                    @for &is in &classes {
                        tr {
                            th scope="row" title=(report.name(is)) { span { bdi { (report.name(is)) } } }
                            @for &said in &classes {
                                (square(report, &cell(score, is, said), photos))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn square(report: &Report<'_>, cell: &Cell, photo: bool) -> Markup {
    if cell.count == 0 {
        return html! { td.none { span { "0" } } };
    }
    let title = format!(
        "{} of the answers about {} were {}",
        per_cent(cell.share),
        report.name(cell.is),
        report.name(cell.said)
    );
    html! {
        td.right[cell.is == cell.said].wrong[cell.is != cell.said] title=(title)
            style=(format!("--share:{:.3}", cell.share.sqrt())) {
            @if photo { (report.picture(cell)) }
            span { (short(cell)) }
        }
    }
}

/// The commonest mistakes, one by one; a sentence where there is none.
pub fn mistakes(report: &Report<'_>, score: &Score) -> Markup {
    let classes = 0..score.confusion.len();
    let mut cells: Vec<Cell> = classes
        .clone()
        .flat_map(|is| classes.clone().map(move |said| cell(score, is, said)))
        .filter(|cell| cell.is != cell.said && cell.count > 0)
        .collect();
    cells.sort_by(|a, b| b.share.total_cmp(&a.share));
    cells.truncate(MISTAKES);
    html! {
        @if cells.is_empty() { p { "It made no mistake." } }
        @else {
            h3 { "The commonest mistakes" }
            ul.mistakes {
                @for cell in &cells {
                    li {
                        (report.picture(cell))
                        div {
                            b { bdi { (report.name(cell.is)) } }
                            span { " called " b { bdi { (report.name(cell.said)) } } }
                            span.share { "in " (per_cent(cell.share)) " of cases" }
                        }
                    }
                }
            }
        }
    }
}
