//! The page from top to bottom: sections, and what they say in words.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{Report, confusion, curve, folder::GENERATOR, of_hundred, sureness, tables};
use crate::{
    evaluate::{Score, Strangers},
    ui::count,
};

const STYLE: &str = include_str!("style.css");
/// Whatever names of folders hold: nothing runs, and nothing is fetched.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub fn page(report: &Report<'_>) -> Markup {
    let scores = report.default_scores();
    let title = format!("How well {} learns", report.package);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { main {
                h1 { "How well " bdi { (report.package) } " learns" }
                @if let Some(last) = scores.last() {
                    (headline(report, last))
                    (measured(report))
                    (learning(&scores))
                    (curve::curve(report))
                    (sure(last))
                    (mistaken(report, last))
                    (unknown(&scores))
                }
                (heads(report))
                (again(report))
            } }
        }
    }
}

/// What a person wants to know first.
fn headline(report: &Report<'_>, score: &Score) -> Markup {
    let share = |side: f64| (score.mean() + side * score.interval()).clamp(0.0, 1.0);
    let guess = 1.0 / report.classes().len().max(1) as f64;
    html! {
        p.headline {
            "Taught " (count(score.shots, "photo")) " of each class, it is right about "
            strong { (of_hundred(score.mean())) " of 100" }
            " photos that it was not taught."
        }
        p {
            "With 95% certainty the true figure is between " (of_hundred(share(-1.0))) " and "
            (of_hundred(share(1.0))) " of 100. Guessing would reach about " (of_hundred(guess)) "."
        }
    }
}

fn measured(report: &Report<'_>) -> Markup {
    let photos = &report.photos.photos;
    let of = |class: usize| photos.iter().filter(|(label, _)| *label == class).count();
    html! {
        p {
            "Measured on " (count(photos.len(), "photo")) " of "
            (report.classes().len()) " classes. "
            @if report.splits == 1 { "Photos were drawn by chance (seed " (report.seed) ")" }
            @else {
                (report.splits) " times other photos were drawn by chance (seed " (report.seed) ")"
            }
            " and taught; those that were not drawn were the test. All figures are about photos that \
             were not taught."
        }
        details {
            summary { "How many photos there are of each class" }
            ul.classes {
                @for (class, name) in report.classes().iter().enumerate() {
                    li { bdi { (name) } " " span.share { (of(class)) } }
                }
            }
        }
    }
}

/// What the last photos were worth, where something can be said of that.
fn gain(scores: &[&Score]) -> Option<String> {
    let [.., before, last] = scores else {
        return None;
    };
    let points = (last.mean() - before.mean()) * 100.0;
    let worth = if points < 0.5 {
        match points > -0.5 {
            true => "made no difference: more of the same will hardly help".into(),
            false => format!("made it right in {:.1} fewer cases of a hundred", -points),
        }
    } else {
        format!("made it right in {points:.1} more cases of a hundred")
    };
    let (from, to) = (before.shots, last.shots);
    Some(format!(
        "Going from {from} to {to} photos of each class {worth}."
    ))
}

fn learning(scores: &[&Score]) -> Markup {
    html! {
        h2 { "How it gets better with photos" }
        p {
            "Further to the right more photos were taught, further up it is more often right. The thick \
             line is " b { "lda" } ", the way of learning that boards use; the thin ones are others, for \
             comparison. The shade and the bars say where the true value lies with 95% certainty. \
             All lines are about the same photos, so that one line is ahead of another more surely than \
             the bars look. "
            @if let Some(gain) = gain(scores) { (gain) }
        }
    }
}

fn sure(score: &Score) -> Markup {
    html! {
        h2 { "Whether it knows how sure it is" }
        p {
            "With every answer the board says how sure it is. Of the answers that are 80% sure, 80 of \
             100 should be right: then the dot lies on the dashed line. Above the line it is careful, \
             below the line it is too sure. The larger the dot, the more answers; where small ones lie is \
             mostly chance. "
            (sureness::in_a_sentence(score))
        }
        (sureness::diagram(score))
        details {
            summary { "The numbers, of " (sureness::answers(score)) }
            (sureness::table(score))
        }
    }
}

fn mistaken(report: &Report<'_>, score: &Score) -> Markup {
    html! {
        h2 { "What it takes for what" }
        p {
            "A row for what it is, a column for what it was called; the numbers are per cents of the \
             row. Blue is right, orange is wrong. The photos are those that were called so most often. \
             Two classes that are often mistaken for one another want more photos, or to be one class. \
             With " (count(score.shots, "photo")) " taught of each class:"
        }
        (confusion::matrix(report, score))
        (confusion::mistakes(report, score))
    }
}

fn unknown(scores: &[&Score]) -> Markup {
    let known: Vec<(&Score, Strangers)> = scores
        .iter()
        .filter_map(|score| Some((*score, score.strangers()?)))
        .collect();
    html! {
        h2 { "Whether it notices what it was never taught" }
        @match known.last() {
            None => p { "This takes three classes or more: each in turn is left out." },
            Some((_, last)) => {
                p {
                    "Each class in turn was not taught and then shown. Of two photos, one of a taught \
                     class and one of the class left out, it finds the taught one more familiar in "
                    b { (of_hundred(last.own)) " of 100" } " cases; by guessing, in 50. By how sure it \
                     is alone it would be " (of_hundred(last.confidence)) ". A board that is not configured otherwise says "
                    code { "unknown" } " of " b { (of_hundred(last.noticed)) } " of 100 photos of a class \
                     that it was not taught, and of " b { (of_hundred(last.lost)) } " of 100 of those \
                     that it was."
                }
                div.scroll { (tables::unknown(&known)) }
            }
        }
    }
}

fn heads(report: &Report<'_>) -> Markup {
    html! {
        h2 { "All ways of learning compared" }
        p {
            b { "Right" } ": the share of right answers, with its 95% interval. "
            b { "Says of itself" } ": how sure it is on average; it should be what is right. "
            b { "Calibration error" } ": how far the two are apart among answers that are about as sure, on average; less is better. "
            b { "Unknown" } ": how often a taught photo is more familiar than one of a class left out, \
            50% is guessing. "
            b { "Training" } ": the time it takes on this computer, a board takes longer, and the \
            most memory meanwhile."
        }
        (tables::heads(report))
        (tables::kinds())
    }
}

fn again(report: &Report<'_>) -> Markup {
    let mut shots: Vec<usize> = report.scores.iter().map(|score| score.shots).collect();
    shots.sort_unstable();
    shots.dedup();
    let shots: Vec<String> = shots.iter().map(usize::to_string).collect();
    html! {
        footer { p {
            "Made by " code {
                "lastlayer eval " bdi { (report.package) } " --photos " bdi { (report.folder) }
                " --shots " (shots.join(",")) " --splits " (report.splits)
                " --seed " (report.seed) " --report DIR"
            }
            ". The page holds small copies of photos and nothing else of yours."
        } }
    }
}
