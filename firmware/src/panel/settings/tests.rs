use super::*;

fn read(text: &str) -> Settings {
    toml::from_str(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str) -> String {
    read(text).check().unwrap_err().to_string()
}

#[test]
fn both_layouts_are_read_with_their_defaults() {
    let settings = read(
        "teach = { line = 17 }\nnext = { line = \"GPIO27\", active_low = false }\n\
         status = { line = \"GPIO22\", chip = \"gpiochip1\" }\nchip = \"pinctrl-bcm2711\"",
    );
    assert_eq!(settings.check(), Ok(()));
    let teach = settings.teach.as_ref().unwrap();
    assert_eq!((&teach.line, teach.active_low), (&LineId::Number(17), true));
    assert_eq!(teach.bias(), Bias::PullUp);
    assert_eq!(settings.next.as_ref().unwrap().bias(), Bias::PullDown);
    let chips: Vec<_> = settings.wires().iter().map(|w| w.chip).collect();
    assert_eq!(
        chips,
        [
            Some("pinctrl-bcm2711"),
            Some("pinctrl-bcm2711"),
            Some("gpiochip1")
        ]
    );
    let settings = read(
        "undo = { line = 4 }\n[classes]\ncar = { button = { line = 5 }, light = { line = 6 } }\n\
         \"a b\" = { light = { line = 7 } }",
    );
    assert_eq!(settings.check(), Ok(()));
    assert_eq!(settings.wires().len(), 4);
    assert!(Settings::default().is_empty() && Settings::default().check().is_ok());
}

#[test]
fn contradictions_are_named_by_their_keys() {
    let both = refused("teach = { line = 1 }\nclasses.car.button = { line = 2 }");
    assert!(
        both.contains("panel.teach") && both.contains("\"car\""),
        "{both}"
    );
    assert!(refused("next = { line = 1 }").contains("panel.teach"));
    let twice = refused("teach = { line = 1 }\nclasses.car.light = { line = 1 }");
    assert!(
        twice.contains("panel.teach and panel.classes.\"car\".light"),
        "{twice}"
    );
    assert!(refused("debounce_ms = 0").contains("from 1 to 500"));
    assert!(refused("long_press_ms = 50").contains("panel.long_press_ms is 50"));
    assert!(refused("classes.unknown.light = { line = 1 }").contains("unknown"));
    assert!(refused("[classes.car]").contains("neither"));
}

#[test]
fn what_is_no_line_is_refused_in_plain_words() {
    for text in [
        "teach = { line = -1 }",
        "teach = { line = \"\" }",
        "teach = { line = 4294967296 }",
        "teach = { line = 1.5 }",
    ] {
        let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
        assert!(error.contains("a line's name such as"), "{error}");
    }
    for text in [
        "teech = { line = 1 }",
        "teach = { line = 1, pull = 1 }",
        "teach = {}",
    ] {
        assert!(toml::from_str::<Settings>(text).is_err(), "{text}");
    }
    assert!(toml::from_str::<Settings>("teach = { line = 1, bias = \"up\" }").is_err());
}
