//! How a page looks: nothing is wider than the screen, and axe finds no fault that keeps somebody out.
//!
//! axe-core is not part of this repository: `.ci/run` fetches it, and without it that part is skipped. Not here: what
//! pages say.

use std::{fs, path::PathBuf};

use crate::{driver::Browser, skip};

/// A desk and a telephone, CSS pixels.
pub(crate) const WIDTHS: [u32; 2] = [1280, 390];
const THEMES: [&str; 2] = ["light", "dark"];

/// Runs axe and hands over what it finds serious or worse, with the first element of each.
const RUN: &str = "const done = arguments[arguments.length - 1];
axe.run(document).then(
  result => done(result.violations.filter(one => one.impact === 'serious' || one.impact === 'critical')
    .map(one => `${one.id}: ${one.nodes[0].html}: ${one.nodes[0].failureSummary}`)),
  error => done([String(error)]));";

/// axe's own script, where it was fetched.
pub(crate) fn axe() -> Option<String> {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("axe-core/package/axe.min.js");
    let script = fs::read_to_string(&path).ok();
    if script.is_none() {
        skip(&format!("accessibility is not checked, because there is no `{}`", path.display()));
    }
    script
}

/// Looks at a page in every width and theme.
pub(crate) async fn look(browser: &Browser, (name, url): (&str, &str), axe: Option<&str>) {
    for theme in THEMES {
        browser.theme(theme).await;
        for width in WIDTHS {
            browser.resize(width).await;
            browser.go(url).await;
            let told = format!("{name}-{width}-{theme}");
            let screenshot = browser.screenshot(&format!("{told}.png")).await;
            let widest = browser.evaluate("return document.documentElement.scrollWidth").await;
            let widest = widest.as_u64().expect("a width is whole");
            let picture = screenshot.display();
            assert!(widest <= u64::from(width), "{told} is {widest} px wide: see {picture}");
            let Some(axe) = axe else { continue };
            browser.evaluate(axe).await;
            let faults = browser.evaluate_later(RUN).await;
            let faults = faults.as_array().expect("a list");
            assert!(faults.is_empty(), "{told}: {faults:#?}");
        }
    }
}
