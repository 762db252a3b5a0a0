//! What holds for any input: nothing panics, every refusal names its place, layers agree with the strict parser.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{MINIMAL, shipped::stated_defaults};
use crate::{layer, parse, parse_layered, places::Places};

/// Values of every type, some right for some keys.
fn values() -> impl Strategy<Value = String> {
    let fixed = [
        "true",
        "\"\"",
        "\"copilot\"",
        "\"none\"",
        "[]",
        "[\"\"]",
        "[\"tune-volume\"]",
        "{}",
        "nan",
        "-inf",
        "0",
        "-1",
        "4294967296",
        "9223372036854775807",
        "1e308",
        "\"0 0 0 1 1 *\"",
        "\"é\"",
        "[\"m7i.*\"]",
        "2026-01-01",
    ];
    prop_oneof![
        select(fixed.to_vec()).prop_map(ToOwned::to_owned),
        any::<u16>().prop_map(|number| number.to_string()),
        (0.0..2.0_f64).prop_map(|number| format!("{number:?}")),
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
    ]
}

/// Some keys of the file with random values, by section.
fn some_keys() -> impl Strategy<Value = String> {
    vec((select(stated_defaults()), prop::option::of(values())), 0..12).prop_map(|chosen| {
        let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for ((section, key, default), value) in chosen {
            sections.entry(section).or_default().insert(key, value.unwrap_or(default));
        }
        let lines = sections.iter().map(|(section, keys)| {
            let keys: String =
                keys.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            format!("[{section}]\n{keys}")
        });
        MINIMAL.to_owned() + &lines.collect::<String>()
    })
}

proptest! {
    #[test]
    fn any_keys_are_accepted_or_refused_with_their_place(text in some_keys()) {
        if let Err(error) = parse(&text, "t.toml") {
            prop_assert!(!error.problems().is_empty());
            for problem in error.problems() {
                prop_assert!(problem.place.starts_with("t.toml"), "{problem}");
                prop_assert!(!problem.why.is_empty());
            }
        }
    }

    #[test]
    fn layers_without_an_environment_are_the_strict_parse(text in some_keys()) {
        let mut places = Places::new(&text, "t.toml", true);
        let strict = layer::strict(&text, &places);
        let layered = layer::layered(&text, &BTreeMap::new(), &mut places);
        match (strict, layered) {
            (Ok(strict), Ok(layered)) => prop_assert_eq!(format!("{strict:?}"), format!("{layered:?}")),
            (Err(strict), Err(layered)) => prop_assert_eq!(vec![strict], layered),
            (strict, layered) => prop_assert!(false, "{strict:?} against {layered:?}"),
        }
    }

    #[test]
    fn a_variable_means_what_the_same_line_would(
        (section, key, default) in select(stated_defaults()),
        value in prop::option::of(values()),
    ) {
        let value = value.unwrap_or(default);
        let variable = format!("TRIMTAB_{}__{}", section.replace('.', "__"), key).to_uppercase();
        let by_variable = parse_layered(MINIMAL, "t.toml", &BTreeMap::from([(variable, value.clone())]));
        if let Ok(by_line) = parse(&format!("{MINIMAL}[{section}]\n{key} = {value}\n"), "t.toml") {
            prop_assert_eq!(by_variable.expect("the line was accepted"), by_line);
        }
    }

    #[test]
    fn any_text_is_accepted_or_refused(text in "\\PC{0,80}", more in "[\\[\\]a-z=\"{}#\n., 0-9]{0,80}") {
        let mixed = format!("{MINIMAL}{more}\n{text}");
        for text in [&text, &more, &mixed] {
            if let Err(error) = parse(text, "t.toml") {
                prop_assert!(!error.problems().is_empty());
            }
        }
    }
}
