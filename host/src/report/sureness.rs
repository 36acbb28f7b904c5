//! The reliability diagram: whether the head is right as often as it says.

use maud::{Markup, html};

use super::{
    per_cent,
    plot::{Axis, px},
};
use crate::{
    evaluate::{BINS, Bin, Score},
    statistics::mean,
    ui::count,
};

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 500.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 388.0;
/// The plot's top and floor, and the floor of the bars that count the answers.
const TOP: f64 = 30.0;
const FLOOR: f64 = 346.0;
const COUNTS: f64 = 462.0;
/// The highest bar; above it is room for its number.
const HIGHEST: f64 = 54.0;
/// Of the dot of the bin with most answers, and of one with hardly any.
const LARGEST: f64 = 13.0;
const SMALLEST: f64 = 2.5;

/// Off by less than this is as sure as right.
const CLOSE: f64 = 0.015;

/// One sentence that says which way it errs.
pub fn in_a_sentence(score: &Score) -> String {
    let (says, is) = (mean(&score.confidences), score.mean());
    let way = match says - is {
        off if off.abs() < CLOSE => "that is about as sure as it should be".into(),
        off if off < 0.0 => format!(
            "it is on the careful side, by {} points of a hundred",
            points(-off)
        ),
        off => format!("it is too sure, by {} points of a hundred", points(off)),
    };
    format!(
        "On average it says that it is {} sure, and it is right in {} of all cases: {way}.",
        per_cent(says),
        per_cent(is),
    )
}

fn points(share: f64) -> String {
    format!("{:.1}", share * 100.0)
}

/// Of the bins that have answers: which it is, and what is in it.
fn filled(score: &Score) -> impl Iterator<Item = (usize, Bin)> + '_ {
    let bins = score.bins.iter().copied().enumerate();
    bins.filter(|(_, bin)| bin.answers > 0)
}

/// Mean confidence and share of right answers.
fn shares(bin: &Bin) -> (f64, f64) {
    let answers = bin.answers.max(1) as f64;
    (bin.confidence / answers, bin.right as f64 / answers)
}

pub fn diagram(score: &Score) -> Markup {
    let across = Axis {
        low: 0.0,
        high: 1.0,
        start: LEFT,
        end: RIGHT,
    };
    let up = Axis {
        start: FLOOR,
        end: TOP,
        ..across
    };
    let most = filled(score).map(|(_, bin)| bin.answers).max().unwrap_or(1) as f64;
    let wide = (RIGHT - LEFT) / BINS as f64;
    html! {
        svg.square viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label={
            "Reliability diagram. " (in_a_sentence(score)) " The numbers are in the table below."
        } {
            text.axis x="0" y="12" { "right, of 100 answers" }
            @for tick in [0u32, 20, 40, 60, 80, 100] {
                @let (x, y) = (across.at(f64::from(tick) / 100.0), up.at(f64::from(tick) / 100.0));
                line.grid x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(y)) y2=(px(y)) {}
                text.number.end x=(px(LEFT - 6.0)) y=(px(y + 4.0)) { (tick) }
                text.number.middle x=(px(x)) y=(px(FLOOR + 18.0)) { (tick) }
            }
            line.guess x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(FLOOR)) y2=(px(TOP)) {}
            text.side x=(px(across.at(0.04))) y=(px(up.at(0.92))) { "more often right than it says" }
            text.side.end x=(px(across.at(0.97))) y=(px(up.at(0.05))) { "too sure" }
            g.head-lda {
                @for (_, bin) in filled(score) {
                    @let (says, is) = shares(&bin);
                    @let x = px(across.at(says));
                    @let radius = (LARGEST * (bin.answers as f64 / most).sqrt()).max(SMALLEST);
                    line.bar x1=(x) x2=(x) y1=(px(up.at(says))) y2=(px(up.at(is))) {}
                    circle.ball cx=(x) cy=(px(up.at(is))) r=(px(radius)) {}
                }
                @for (at, bin) in filled(score) {
                    @let high = (HIGHEST * bin.answers as f64 / most).max(1.0);
                    @let (x, top) = (LEFT + at as f64 * wide, COUNTS - high);
                    rect.count x=(px(x + 1.0)) y=(px(top)) width=(px(wide - 2.0)) height=(px(high)) {}
                    @let x = px(x + wide / 2.0 + 4.0);
                    text.small x=(x) y=(px(top - 4.0))
                        transform=(format!("rotate(-90 {x} {:.1})", top - 4.0)) { (bin.answers) }
                }
            }
            line.floor x1=(px(LEFT)) x2=(px(RIGHT)) y1=(px(COUNTS)) y2=(px(COUNTS)) {}
            text.axis.middle x=(px((LEFT + RIGHT) / 2.0)) y=(px(HEIGHT - 18.0)) {
                "how sure it says that it is, in %; bars:"
            }
            text.axis.middle x=(px((LEFT + RIGHT) / 2.0)) y=(px(HEIGHT - 3.0)) {
                "how many answers were so sure"
            }
        }
    }
}

/// The diagram's numbers.
pub fn table(score: &Score) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "it says" }
                th scope="col" { "answers" }
                th scope="col" { "sure, mean" }
                th scope="col" { "right" }
            } }
            tbody {
                @for (at, bin) in filled(score) {
                    @let (says, is) = shares(&bin);
                    @let edge = |at: usize| format!("{:.0}", 100.0 * at as f64 / BINS as f64);
                    tr {
                        th scope="row" { (edge(at)) "–" (edge(at + 1)) "%" }
                        td { (bin.answers) }
                        td { (per_cent(says)) }
                        td { (per_cent(is)) }
                    }
                }
            }
        }
    }
}

/// How many answers the diagram is made of.
pub fn answers(score: &Score) -> String {
    let answers: u64 = score.bins.iter().map(|bin| bin.answers).sum();
    count(usize::try_from(answers).unwrap_or(usize::MAX), "answer")
}
