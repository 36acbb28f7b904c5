use super::*;

fn chip(number: usize, label: &str, names: &[&str]) -> ChipInfo {
    let line = |name: &&str| LineInfo {
        name: (!name.is_empty()).then(|| (*name).to_owned()),
        used_by: None,
    };
    ChipInfo {
        path: format!("/dev/gpiochip{number}").into(),
        name: format!("gpiochip{number}"),
        label: label.into(),
        lines: names.iter().map(line).collect(),
    }
}

/// Like a Raspberry Pi 4, with fewer lines.
fn pi() -> Listing {
    let mut main = chip(
        0,
        "pinctrl-bcm2711",
        &["ID_SDA", "GPIO17", "GPIO22", "GPIO27"],
    );
    main.lines[2].used_by = Some("spi0 CS1".into());
    main.lines[3].used_by = Some(CONSUMER.into());
    let other = chip(1, "raspberrypi-exp-gpio", &["BT_ON", ""]);
    Listing {
        chips: vec![main, other],
        ..Listing::default()
    }
}

fn named(name: &str) -> LineId {
    LineId::Name(name.into())
}

fn error(listing: &Listing, chip: Option<&str>, line: &LineId) -> String {
    find(listing, chip, line).unwrap_err().to_string()
}

#[test]
fn a_line_is_found_by_any_of_its_names() {
    for chip in [
        None,
        Some("gpiochip0"),
        Some("pinctrl-bcm2711"),
        Some("/dev/gpiochip0"),
    ] {
        let found = find(&pi(), chip, &named("GPIO17")).unwrap();
        assert_eq!((found.chip.as_str(), found.line), ("gpiochip0", 1));
        assert_eq!(found.text(), "1 of gpiochip0 (GPIO17)");
    }
    let found = find(&pi(), Some("gpiochip1"), &LineId::Number(1)).unwrap();
    assert_eq!(found.text(), "1 of gpiochip1");
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let text = error(&pi(), Some("pinctrl-rp1"), &named("GPIO17"));
    assert!(
        text.contains(
            "no GPIO chip \"pinctrl-rp1\"; there is gpiochip0 (pinctrl-bcm2711, 4 lines)"
        ),
        "{text}"
    );
    let text = error(&pi(), Some("gpiochip0"), &LineId::Number(4));
    assert!(text.contains("gpiochip0 (pinctrl-bcm2711) has no line 4; its lines are 0 to 3"));
    let text = error(&pi(), None, &named("gpio17"));
    assert!(text.contains("but \"GPIO17\", \"GPIO"), "{text}");
    assert!(!text.contains("BT_ON"), "{text}");
    let text = error(&pi(), None, &LineId::Number(1));
    assert!(
        text.contains("say which with `chip`: there is gpiochip0"),
        "{text}"
    );
    let nameless = Listing {
        chips: vec![chip(0, "9030000.pl061", &["", ""])],
        ..Listing::default()
    };
    let text = error(&nameless, None, &named("GPIO17"));
    assert!(
        text.contains("its lines have no names, give a number"),
        "{text}"
    );
    assert!(find(&nameless, None, &LineId::Number(1)).is_ok());
}

#[test]
fn what_is_there_twice_must_be_told_apart() {
    let mut two = pi();
    two.chips.push(chip(2, "raspberrypi-exp-gpio", &["GPIO17"]));
    let text = error(&two, None, &named("GPIO17"));
    assert!(text.contains("1 of gpiochip0, 0 of gpiochip2"), "{text}");
    let text = error(&two, Some("raspberrypi-exp-gpio"), &LineId::Number(0));
    assert!(
        text.contains("gpiochip1") && text.contains("gpiochip2"),
        "{text}"
    );
}

#[test]
fn a_machine_without_chips_and_one_that_denies_them_differ() {
    let none = Listing::default();
    assert_eq!(find(&none, None, &named("GPIO17")), Err(GpioError::NoChips));
    let denied = Listing {
        denied: vec!["/dev/gpiochip0".into()],
        ..Listing::default()
    };
    let text = error(&denied, None, &named("GPIO17"));
    assert!(text.contains("/dev/gpiochip0 may not be opened") && text.contains("usermod"));
}

#[test]
fn a_line_in_use_is_said_with_its_user_and_ours_only_to_a_second_program() {
    let listing = pi();
    let mut opener = Opener::new(&listing);
    let used = opener.place("panel.status", None, &named("GPIO22"), true);
    assert!(used.unwrap_err().to_string().contains("by spi0 CS1"));
    assert!(
        opener
            .place("panel.next", None, &named("GPIO27"), true)
            .is_ok()
    );
    let mut opener = Opener::new(&listing);
    let used = opener.place("panel.next", None, &named("GPIO27"), false);
    assert!(used.unwrap_err().to_string().contains("by lastlayerd"));
}

#[test]
fn two_names_for_one_line_are_found_out() {
    let listing = pi();
    let mut opener = Opener::new(&listing);
    opener
        .place("panel.teach", None, &named("GPIO17"), true)
        .unwrap();
    let twice = opener.place("panel.undo", Some("gpiochip0"), &LineId::Number(1), true);
    let text = twice.unwrap_err().to_string();
    assert!(
        text.contains("1 of gpiochip0 (GPIO17) is panel.teach's already"),
        "{text}"
    );
}

#[derive(Debug, thiserror::Error)]
#[error("Ioctl to get line handle failed: {source}")]
struct Refused {
    source: Errno,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Errno(&'static str);

#[test]
fn what_the_kernel_says_is_translated() {
    let found = find(&pi(), None, &named("GPIO17")).unwrap();
    let error = |said, with_bias| {
        let source = Errno(said);
        found.error(&Refused { source }, with_bias).to_string()
    };
    let busy = error("EBUSY: Device or resource busy", true);
    assert!(busy.contains("in use by another program"), "{busy}");
    let bias = error("EINVAL: Invalid argument", true);
    assert!(
        bias.contains("before 5.5") && bias.contains("as-is"),
        "{bias}"
    );
    assert!(error("EINVAL: Invalid argument", false).contains("Invalid argument"));
    // The crate does give the kernel's number in this form.
    let real = Chip::new("/dev/null").unwrap_err();
    let cause = std::error::Error::source(&real).unwrap().to_string();
    assert!(cause.starts_with("ENOTTY"), "{cause}");
}

#[test]
fn looking_at_this_machine_fails_in_no_way() {
    let listing = list();
    for chip in &listing.chips {
        assert!(chip.name.starts_with("gpiochip"));
    }
}
