//! A filter's line cut into words, and a word into key, comparison and value.
//!
//! Not here: what they mean (`filter`).

use super::FilterError;

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Less,
    AtMost,
    More,
    AtLeast,
}

/// The words of a line. Double quotes hold blanks together: `tag.Name="my web"`.
pub(super) fn split(text: &str) -> Result<Vec<String>, FilterError> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    for letter in text.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            blank if blank.is_whitespace() && !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    if quoted {
        return Err(FilterError::Open(text.to_owned()));
    }
    words.extend(word);
    Ok(words)
}

/// Key, comparison and value of a word; `None` where one of them is missing.
pub(super) fn term(word: &str) -> Option<(&str, Comparison, &str)> {
    let at = word.find(['=', '<', '>'])?;
    let (key, rest) = word.split_at(at);
    let all = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        (">", Comparison::More),
        ("<", Comparison::Less),
        ("=", Comparison::Equal),
    ];
    let (comparison, value) =
        all.iter().find_map(|(sign, meant)| Some((*meant, rest.strip_prefix(sign)?)))?;
    (!key.is_empty() && !value.is_empty()).then_some((key, comparison, value))
}
