//! The page's tables of figures.

use maud::{Markup, html};

use super::{Report, curve::class, per_cent};
use crate::{
    evaluate::{Method, Score, Strangers},
    statistics::mean,
    ui::count,
};

/// Every head at every number of shots, most shots first.
pub fn heads(report: &Report<'_>) -> Markup {
    let mut shots: Vec<usize> = report.scores.iter().map(|score| score.shots).collect();
    shots.sort_unstable();
    shots.dedup();
    let known = report
        .scores
        .iter()
        .any(|score| score.strangers().is_some());
    let memory = report
        .scores
        .iter()
        .any(|score| score.train_peak_bytes.is_some());
    let columns = 5 + usize::from(known) + usize::from(memory);
    html! {
        div.scroll tabindex="0" role="region" aria-label="Table of all heads" {
            table.heads {
                thead { tr {
                    th scope="col" { "head" }
                    th scope="col" { "right" }
                    th scope="col" { "says of itself" }
                    th scope="col" { "calibration error" }
                    @if known { th scope="col" { "unknown" } }
                    th scope="col" { "training, ms" }
                    @if memory { th scope="col" { "training, MB" } }
                } }
                @for &shots in shots.iter().rev() {
                    tbody {
                        tr.group { th scope="rowgroup" colspan=(columns) {
                            span { (count(shots, "photo")) " of each class" }
                        } }
                        @for score in report.scores.iter().filter(|score| score.shots == shots) {
                            (row(score, known, memory))
                        }
                    }
                }
            }
        }
    }
}

fn row(score: &Score, known: bool, memory: bool) -> Markup {
    let strangers = score.strangers();
    html! {
        tr.default[score.method.is_default()] {
            th scope="row" {
                span.key.(class(score.method)) {}
                (score.method.name())
                @if score.method.is_default() { " (default)" }
            }
            td { (per_cent(score.mean())) span.interval { " ± " (per_cent(score.interval())) } }
            td { (per_cent(mean(&score.confidences))) }
            td { (per_cent(score.calibration_error())) }
            @if known { td { @if let Some(strangers) = strangers { (per_cent(strangers.own)) } } }
            td { (format!("{:.1}", score.train_ms_median())) }
            @if memory {
                td { @if let Some(bytes) = score.train_peak_bytes {
                    (format!("{:.1}", bytes as f64 / 1e6))
                } }
            }
        }
    }
}

/// What the heads are, for who has not met them.
pub fn kinds() -> Markup {
    html! {
        dl.kinds {
            @for method in Method::ALL {
                dt { span.key.(class(method)) {} (method.name()) }
                dd { (what(method)) }
            }
        }
    }
}

fn what(method: Method) -> &'static str {
    use lastlayer_shared::head::Kind;
    match method {
        Method::Nearest => {
            "lets the three taught photos vote that are most alike: what other teachable machines do"
        }
        Method::Head(Kind::Means) => "compares with the mean of each class's photos",
        Method::Head(Kind::Ridge) => "least squares with a penalty",
        Method::Head(Kind::Logistic) => "logistic regression",
        Method::Head(Kind::Lda) => {
            "linear discriminants whose settings the taught photos choose: what boards use"
        }
    }
}

/// How well the default head knows what it was never taught, by shots.
pub fn unknown(scores: &[(&Score, Strangers)]) -> Markup {
    html! {
        table {
            thead { tr {
                th scope="col" { "photos of each class" }
                th scope="col" { "by familiarity" }
                th scope="col" { "by confidence alone" }
                th scope="col" { "taught, called unknown" }
                th scope="col" { "not taught, called unknown" }
            } }
            tbody {
                @for (score, strangers) in scores {
                    tr {
                        th scope="row" { (score.shots) }
                        td { (per_cent(strangers.own)) }
                        td { (per_cent(strangers.confidence)) }
                        td { (per_cent(strangers.lost)) }
                        td { (per_cent(strangers.noticed)) }
                    }
                }
            }
        }
    }
}
