use super::*;

fn all() -> Vec<(String, Pattern)> {
    let standing = Standing::ALL.map(|s| (format!("{s:?}"), s.pattern()));
    let faults = Fault::ALL.map(|f| (format!("{f:?}"), f.pattern()));
    let others = [
        Once::Learned,
        Once::Undone,
        Once::ClassAdded,
        Once::Refused,
        Once::Crowded,
        Once::PackageRefused,
    ];
    let counted = (0..10).flat_map(|class| [Once::Selected(class), Once::Costly(class)]);
    let once = others.into_iter().chain(counted);
    let once = once.map(|o| (format!("{o:?}"), o.pattern()));
    standing.into_iter().chain(faults).chain(once).collect()
}

/// A person sees how many flashes there are before a pause, and times that differ by two.
fn differ(a: &Pattern, b: &Pattern) -> bool {
    let twice = |x: Duration, y: Duration| x.max(y) >= 2 * x.min(y) && x != y;
    let times = a.flashes.iter().zip(&b.flashes);
    a.flashes.len() != b.flashes.len()
        || times
            .into_iter()
            .any(|(x, y)| twice(x.0, y.0) || twice(x.1, y.1))
}

#[test]
fn any_two_words_of_the_language_differ_clearly() {
    let all = all();
    for (i, (name, pattern)) in all.iter().enumerate() {
        for (other, against) in &all[..i] {
            assert!(differ(pattern, against), "{name} and {other}");
        }
    }
}

#[test]
fn a_pattern_is_followed_in_time() {
    let pattern = Once::Selected(1).pattern();
    let shown: String = (0..40)
        .map(|i| match pattern.lit(ms(i * 50)) {
            Some(true) => '#',
            Some(false) => '.',
            None => ' ',
        })
        .collect();
    assert_eq!(shown.trim_end(), "..........###.....###..........");
    assert_eq!(pattern.length(), ms(1550));
    let on = Standing::Watching.pattern();
    assert!((0..100).all(|i| on.lit(ms(i * 77)) == Some(true)));
    let off = Standing::Stopped.pattern();
    assert!((0..100).all(|i| off.lit(ms(i * 77)) == Some(false)));
    let fault = Fault::CameraLost.pattern();
    for i in 0..1000 {
        let later = ms(i * 5) + 1000 * fault.length();
        assert_eq!(fault.lit(ms(i * 5)), fault.lit(later));
    }
}

#[test]
fn messages_are_short_and_a_flash_is_long_enough_to_be_seen() {
    for (name, pattern) in all() {
        assert!(pattern.length() <= ms(7000), "{name}");
        for (on, _) in pattern.flashes {
            assert!(on.is_zero() || on >= ms(50), "{name}");
        }
    }
    assert_eq!(
        Once::Selected(9).pattern(),
        Once::Selected(usize::MAX).pattern()
    );
}

#[test]
fn the_document_has_the_table() {
    let document = include_str!("../../../../docs/wiring.md");
    let table = table().join("\n");
    assert!(
        document.contains(&table),
        "docs/wiring.md should have:\n{table}"
    );
}
