//! The little that the proxy needs of XML: the text of an element and the items of a set, in answers that moto's
//! serializer wrote (no comments, no attributes below the root, no namespaces prefixes).

/// The text of the first `<name>` element, wherever it stands.
pub(crate) fn text<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let start = xml.find(&format!("<{name}>"))? + name.len() + 2;
    let end = start + xml[start..].find(&format!("</{name}>"))?;
    Some(&xml[start..end])
}

/// The same without any `<name>` element.
pub(crate) fn without(xml: &str, name: &str) -> String {
    let mut rest = xml.to_owned();
    while let Some(text) = text(&rest, name) {
        rest = rest.replace(&format!("<{name}>{text}</{name}>"), "");
    }
    rest
}

/// An answer cut around the `<item>`s of one set: what comes before, each item with its tags, what comes after.
#[derive(Debug)]
pub(crate) struct Items<'a> {
    pub(crate) before: &'a str,
    pub(crate) items: Vec<&'a str>,
    pub(crate) after: &'a str,
}

/// Cuts `xml` around the items of its first `<set>`; items inside items stay where they are. `None` without the set.
pub(crate) fn items<'a>(xml: &'a str, set: &str) -> Option<Items<'a>> {
    let start = xml.find(&format!("<{set}>"))? + set.len() + 2;
    let (mut at, mut depth, mut opened) = (start, 0_usize, start);
    let mut items = Vec::new();
    loop {
        let tag = at + xml[at..].find('<')?;
        if xml[tag..].starts_with("<item>") {
            if depth == 0 {
                opened = tag;
            }
            depth += 1;
        } else if xml[tag..].starts_with("</item>") {
            depth -= 1;
            if depth == 0 {
                items.push(&xml[opened..tag + "</item>".len()]);
            }
        } else if depth == 0 {
            return Some(Items { before: &xml[..start], items, after: &xml[tag..] });
        }
        at = tag + 1;
    }
}

/// Rewrites each item of the first `<set>`; an answer without that set stays as it is.
pub(crate) fn map_items(xml: &str, set: &str, change: impl Fn(&str) -> String) -> String {
    match items(xml, set) {
        Some(Items { before, items, after }) => {
            let changed: String = items.into_iter().map(change).collect();
            format!("{before}{changed}{after}")
        }
        None => xml.to_owned(),
    }
}
