//! The learning curve: how the share of right answers grows with the photos that are taught.

use maud::{Markup, html};

use super::{
    Report, of_hundred,
    plot::{Axis, apart, per_cents, points, px},
};
use crate::evaluate::{Method, Score};

/// A screen's or a phone's; the page shows the one that fits.
struct Size {
    class: &'static str,
    width: f64,
    height: f64,
}

const SIZES: [Size; 2] = [
    Size {
        class: "wide",
        width: 680.0,
        height: 400.0,
    },
    Size {
        class: "narrow",
        width: 356.0,
        height: 340.0,
    },
];
/// Room for numbers on the left, for names on the right, for what the axes are above and below.
const LEFT: f64 = 40.0;
const RIGHT: f64 = 76.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Lines that would lie on one another are moved aside by so much.
const ASIDE: f64 = 3.0;
/// Between names, from line to line; between numbers, from middle to middle.
const LINE: f64 = 16.0;
const NUMBER: f64 = 24.0;

pub fn curve(report: &Report<'_>) -> Markup {
    html! {
        @for size in &SIZES { (draw(report, size)) }
    }
}

/// Whose scores, by shots.
type Line<'a> = (Method, Vec<&'a Score>);

fn draw(report: &Report<'_>, size: &Size) -> Markup {
    let mut lines: Vec<Line<'_>> = Method::ALL
        .map(|method| (method, report.of(method)))
        .into_iter()
        .filter(|(_, scores)| !scores.is_empty())
        .collect();
    // Drawn last, the default lies above the others.
    lines.sort_by_key(|(method, _)| method.is_default());
    let (across, up) = axes(&lines, size);
    let ticks: Vec<u32> = per_cents(up.low, up.high);
    let (left, right, floor) = (across.start - 16.0, across.end + 12.0, up.start);
    let ends: Vec<f64> = lines
        .iter()
        .map(|(_, scores)| scores.last().map_or(0.0, |score| up.at(score.mean())))
        .collect();
    let names = apart(&ends, LINE, TOP, floor);
    let chance = 1.0 / report.classes().len().max(1) as f64;
    html! {
        svg.(size.class) viewBox=(format!("0 0 {} {}", size.width, size.height)) role="img"
            aria-label=(in_words(report)) {
            text.axis x="0" y="12" { "right, of 100 photos" }
            @for tick in &ticks {
                @let y = up.at(f64::from(*tick) / 100.0);
                line.grid x1=(px(left)) x2=(px(right)) y1=(px(y)) y2=(px(y)) {}
                text.number.end x=(px(left - 6.0)) y=(px(y + 4.0)) { (tick) }
            }
            @if up.low < chance && chance < up.high {
                @let y = up.at(chance);
                line.guess x1=(px(left)) x2=(px(right)) y1=(px(y)) y2=(px(y)) {}
                text.number x=(px(left + 4.0)) y=(px(y - 5.0)) { "guessing" }
            }
            @for (x, shots) in numbers(&lines, across) {
                text.number.middle x=(px(x)) y=(px(floor + 18.0)) { (shots) }
            }
            text.axis.middle x=(px((left + right) / 2.0)) y=(px(size.height - 6.0)) {
                "photos taught of each class"
            }
            @for (at, (method, scores)) in lines.iter().enumerate() {
                @let aside = aside(at, lines.len());
                @let x = |score: &Score| across.at((score.shots as f64).ln()) + aside;
                g.(class(*method)).default[method.is_default()] {
                    (interval(method.is_default(), scores, x, up))
                    polyline.line
                        points=(points(scores.iter().map(|score| (x(score), up.at(score.mean()))))) {}
                    @for score in scores {
                        circle.dot cx=(px(x(score))) cy=(px(up.at(score.mean()))) r="3" {}
                    }
                    @let (from, to) = (scores.last().map_or(right, |score| x(score)), right + 4.0);
                    line.lead x1=(px(from)) y1=(px(ends[at])) x2=(px(to)) y2=(px(names[at])) {}
                    text.name x=(px(to + 4.0)) y=(px(names[at] + 4.0)) { (method.name()) }
                }
            }
        }
    }
}

/// How far line `at` of `lines` is moved: the last, which is the default, not at all, the others to its
/// left and right.
fn aside(at: usize, lines: usize) -> f64 {
    let left = (lines - 1) / 2;
    let step = match at {
        at if at + 1 == lines => 0.0,
        at if at < left => at as f64 - left as f64,
        at => (at - left + 1) as f64,
    };
    step * ASIDE
}

/// The CSS class that has a method's colour.
pub fn class(method: Method) -> String {
    format!("head-{}", method.name())
}

/// Logarithms of shots across, shares upwards; all intervals have their place.
fn axes(lines: &[Line<'_>], size: &Size) -> (Axis, Axis) {
    let all = || lines.iter().flat_map(|(_, scores)| scores);
    let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::NEG_INFINITY, f64::max);
    let low = least(&mut all().map(|score| score.mean() - score.interval()));
    let high = most(&mut all().map(|score| score.mean() + score.interval()));
    let ticks = per_cents(low, high);
    let tick = |tick: Option<&u32>| f64::from(tick.copied().unwrap_or_default()) / 100.0;
    let across = Axis {
        low: least(&mut all().map(|score| (score.shots as f64).ln())),
        high: most(&mut all().map(|score| (score.shots as f64).ln())),
        start: LEFT + 16.0,
        end: size.width - RIGHT - 12.0,
    };
    let up = Axis {
        low: tick(ticks.first()),
        high: tick(ticks.last()),
        start: size.height - BOTTOM,
        end: TOP,
    };
    (across, up)
}

/// The numbers of shots that have room, the largest in any case.
fn numbers(lines: &[Line<'_>], across: Axis) -> Vec<(f64, usize)> {
    let mut shots: Vec<usize> = lines
        .iter()
        .flat_map(|(_, scores)| scores.iter().map(|score| score.shots))
        .collect();
    shots.sort_unstable();
    shots.dedup();
    let mut shown: Vec<(f64, usize)> = Vec::new();
    for shots in shots.into_iter().rev() {
        let x = across.at((shots as f64).ln());
        if shown.last().is_none_or(|(other, _)| other - x >= NUMBER) {
            shown.push((x, shots));
        }
    }
    shown
}

/// Of the default as a band, because it is what the page is about; of the others as bars.
fn interval(band: bool, scores: &[&Score], x: impl Fn(&Score) -> f64, up: Axis) -> Markup {
    let edge = |score: &Score, side: f64| {
        let share = score.mean() + side * score.interval();
        (x(score), up.at(share.clamp(up.low, up.high)))
    };
    if band && scores.len() > 1 {
        let above = scores.iter().map(|score| edge(score, 1.0));
        let below = scores.iter().rev().map(|score| edge(score, -1.0));
        return html! { polygon.band points=(points(above.chain(below))) {} };
    }
    html! {
        @for score in scores {
            @let ((x, top), (_, end)) = (edge(score, 1.0), edge(score, -1.0));
            line.bar x1=(px(x)) x2=(px(x)) y1=(px(top)) y2=(px(end)) {}
        }
    }
}

/// For who cannot see it.
fn in_words(report: &Report<'_>) -> String {
    let scores = report.default_scores();
    let said = scores.iter().map(|score| {
        let right = of_hundred(score.mean());
        format!("{right} with {}", score.shots)
    });
    format!(
        "Learning curve of the default head. Right of 100 photos, by photos taught of each class: {}. \
         The other heads are in the table at the end.",
        said.collect::<Vec<_>>().join(", ")
    )
}
