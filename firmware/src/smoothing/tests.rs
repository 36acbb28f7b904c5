use super::*;
use proptest::prelude::*;

fn answers(confidences: &[f32]) -> Vec<Answer> {
    let answer = |(class, &confidence)| Answer { class, confidence };
    confidences.iter().enumerate().map(answer).collect()
}

fn at(seconds: f32) -> Duration {
    Duration::from_secs_f32(seconds)
}

/// A smoothing that has seen class 0 for a long time, until time 100.
fn settled(settings: Settings) -> Smoothing {
    let mut smoothing = Smoothing::new(settings);
    for i in 0..=1000 {
        smoothing.frame(at(i as f32 * 0.1), Some(&answers(&[0.9, 0.1])));
    }
    smoothing
}

#[test]
fn the_first_frame_decides_and_so_does_the_first_after_a_reset() {
    let mut smoothing = Smoothing::new(Settings::default());
    let first = smoothing.frame(at(5.0), Some(&answers(&[0.4, 0.6])));
    assert_eq!((first.class, first.changed), (Some(1), true));
    assert!((first.confidence - 0.6).abs() < 1e-6);
    let odd = smoothing.frame(at(5.1), Some(&answers(&[0.9, 0.1])));
    assert_eq!((odd.class, odd.changed), (Some(1), false));
    smoothing.reset();
    let taught = smoothing.frame(at(5.2), Some(&answers(&[0.9, 0.1])));
    assert_eq!((taught.class, taught.confidence), (Some(0), 0.9));
}

#[test]
fn nothing_known_is_unknown_until_there_is_a_head_and_after_it_is_gone() {
    let mut smoothing = Smoothing::new(Settings::default());
    let none = smoothing.frame(at(0.0), None);
    assert_eq!((none.class, none.confidence), (None, 0.0));
    assert_eq!(none.verdict(&["car".into()]), Verdict::unknown());
    let mut seen = None;
    for i in 1..20 {
        let steady = smoothing.frame(at(i as f32 * 0.1), Some(&answers(&[0.9, 0.1])));
        seen = seen.or((steady.class == Some(0)).then_some(i));
    }
    assert!(seen.is_some_and(|i| i > 1), "{seen:?}");
    let mut shown = Some(0);
    for i in 20..40 {
        shown = smoothing.frame(at(i as f32 * 0.1), None).class;
    }
    assert_eq!(shown, None);
}

#[test]
fn a_low_confidence_is_unknown_where_that_is_asked_for_and_does_not_flicker() {
    let settings = Settings {
        unknown_below: 0.6,
        ..Settings::default()
    };
    let mut smoothing = settled(settings.clone());
    let mut changes = 0;
    // Around the threshold, on either side of it.
    for i in 0..200 {
        let p = 0.6 + [0.02, -0.02][(i / 7) % 2];
        let frame = answers(&[p, 1.0 - p]);
        let steady = smoothing.frame(at(101.0 + i as f32 * 0.1), Some(&frame));
        changes += i32::from(steady.changed);
    }
    assert!(changes <= 1, "{changes}");
    assert_eq!(settings.check(), Ok(()));
    let mut first = Smoothing::new(settings);
    assert_eq!(
        first.frame(at(0.0), Some(&answers(&[0.55, 0.45]))).class,
        None
    );
}

#[test]
fn with_many_classes_none_of_which_is_likely_a_lead_still_counts() {
    let mut smoothing = Smoothing::new(Settings::default());
    let mut flat = vec![0.01; 90];
    flat[3] = 0.04;
    smoothing.frame(at(0.0), Some(&answers(&flat)));
    flat[3] = 0.01;
    flat[50] = 0.04;
    let late = (1..30).map(|i| smoothing.frame(at(i as f32 * 0.1), Some(&answers(&flat))));
    assert_eq!(late.last().unwrap().class, Some(50));
}

#[test]
fn settings_outside_their_range_are_named() {
    let error = |text: &str| {
        let settings: Settings = toml::from_str(text).unwrap();
        settings.check().unwrap_err().to_string()
    };
    assert!(error("margin = 1").contains("verdict.margin is 1"));
    assert!(error("average_seconds = nan").contains("average_seconds"));
    assert!(error("lead_seconds = -1.0").contains("from 0 to 60"));
    assert!(toml::from_str::<Settings>("smooth = 1").is_err());
    assert_eq!(toml::from_str::<Settings>(""), Ok(Settings::default()));
}

proptest! {
    /// Whatever the frame rate: a frame for, a frame against.
    #[test]
    fn frames_that_alternate_never_flicker(dt in 0.005f32..3.0, p in 0.5f32..1.0) {
        let mut smoothing = settled(Settings::default());
        for i in 1..200 {
            let frame = match i % 2 {
                0 => answers(&[p, 1.0 - p]),
                _ => answers(&[1.0 - p, p]),
            };
            let steady = smoothing.frame(at(100.0 + i as f32 * dt), Some(&frame));
            prop_assert_eq!(steady.class, Some(0));
        }
    }

    /// Two classes that cannot be told apart, with noise.
    #[test]
    fn noise_below_the_margin_never_flickers(
        noise in proptest::collection::vec(-0.045f32..0.045, 1..300),
        steps in proptest::collection::vec(0.001f32..1.0, 300),
    ) {
        let mut smoothing = Smoothing::new(Settings::default());
        smoothing.frame(at(0.0), Some(&answers(&[0.51, 0.49])));
        let mut now = 0.0;
        for (noise, step) in noise.into_iter().zip(steps) {
            now += step;
            let steady = smoothing.frame(at(now), Some(&answers(&[0.5 + noise, 0.5 - noise])));
            prop_assert!(!steady.changed);
        }
    }

    #[test]
    fn a_real_change_is_shown_within_the_stated_time(
        average in 0.0f32..2.0, margin in 0.0f32..0.6, lead in 0.0f32..1.0,
        steps in proptest::collection::vec(0.01f32..0.5, 2000),
    ) {
        let settings = Settings {
            average_seconds: average, margin, lead_seconds: lead, unknown_below: 0.0,
            unfamiliar_below: 0.0,
        };
        let mut smoothing = Smoothing::new(settings);
        for i in 0..=200 {
            smoothing.frame(at(i as f32 * 0.1), Some(&answers(&[1.0, 0.0])));
        }
        let bound = average * (2.0 / (1.0 - margin)).ln() + lead;
        // The longest wait for the frame that crosses the margin and for the one that ends the lead.
        let bound = bound + 2.0 * 0.5 + 0.01;
        let (mut now, mut shown) = (20.0, Some(0));
        for step in steps {
            now += step;
            let steady = smoothing.frame(at(now), Some(&answers(&[0.0, 1.0])));
            shown = steady.class;
            if now - 20.0 > bound {
                break;
            }
        }
        prop_assert_eq!(shown, Some(1));
    }

    #[test]
    fn confidences_stay_between_none_and_all(
        frames in proptest::collection::vec(
            (0.0f32..2.0, proptest::option::of(proptest::collection::vec(-1.0f32..2.0, 0..5))), 0..100,
        ),
        unknown_below in 0.0f32..0.9,
    ) {
        let mut smoothing = Smoothing::new(Settings { unknown_below, ..Settings::default() });
        let mut now = 0.0;
        for (step, confidences) in frames {
            now += step;
            let frame = confidences.map(|c| answers(&c));
            let steady = smoothing.frame(at(now), frame.as_deref());
            prop_assert!((0.0..=1.0).contains(&steady.confidence));
            prop_assert!(steady.class.is_some() || steady.confidence == 0.0);
        }
    }
}
