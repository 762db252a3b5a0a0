//! Lists in pages: how many, after which, and where the next page begins.
//!
//! A cursor names the place of the last item in the list's order, not its number: what stays in its place is told once,
//! whatever comes and goes meanwhile. Not here: what is in the lists (`queries`).

use axum::http::Uri;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::problem::Problem;
use crate::audit::hex;

/// Items of a page when nothing else is asked for: a few megabytes at most, recommendations being the largest.
const LIMIT: usize = 200;
/// The most items of a page.
const LIMIT_MAX: usize = 1_000;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// How many items at most, 1 to 1,000; 200 when it is not said.
    #[schemars(range(min = 1, max = 1_000))]
    pub(super) limit: Option<usize>,
    /// The `next` of the page before; from the beginning when it is not said.
    pub(super) after: Option<String>,
}

/// A list, so that the cursor of one is not taken for another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum List {
    Recommendations,
    Changes,
    Inventory,
    Audit,
}

/// A page that is asked for, with the place of the item before it.
#[derive(Debug)]
pub(super) struct Page<K> {
    list: List,
    pub(super) limit: usize,
    pub(super) after: Option<K>,
}

impl PageQuery {
    /// Reads which page it is.
    pub(super) fn of<K: DeserializeOwned>(&self, list: List) -> Result<Page<K>, Problem> {
        let limit = self.limit.unwrap_or(LIMIT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request(format!(
                "limit = {limit} is not within 1 to {LIMIT_MAX}"
            )));
        }
        let after = self.after.as_deref().map(|cursor| read(list, cursor)).transpose()?;
        Ok(Page { list, limit, after })
    }
}

impl<K: Serialize> Page<K> {
    /// Takes the page's items of those that follow the place before it, and says where the next page begins.
    pub(super) fn take<T>(
        &self,
        items: impl Iterator<Item = T>,
        place: impl Fn(&T) -> K,
    ) -> (Vec<T>, Option<String>) {
        // One more than is told says whether there are more.
        let mut items: Vec<T> = items.take(self.limit + 1).collect();
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let next = items.last().filter(|_| has_more).map(|last| self.cursor(&place(last)));
        (items, next)
    }

    /// The cursor of a place.
    pub(super) fn cursor(&self, place: &K) -> String {
        let text = serde_json::to_vec(&(self.list, place));
        hex(&text.expect("a place is made of numbers and texts"))
    }
}

fn read<K: DeserializeOwned>(list: List, cursor: &str) -> Result<K, Problem> {
    let wrong = || {
        Problem::bad_request(format!(
            "after = `{cursor}` is no cursor of this list: give the `next` of the page before, or leave it out"
        ))
    };
    let bytes = unhex(cursor).ok_or_else(wrong)?;
    let (of, place) = serde_json::from_slice::<(List, K)>(&bytes).map_err(|_| wrong())?;
    if of == list { Ok(place) } else { Err(wrong()) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len().is_multiple_of(2))?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// The next page as a `Link`: the same query with another place.
pub(super) fn link(uri: &Uri, next: &str) -> String {
    let kept = uri.query().unwrap_or_default().split('&');
    let kept = kept.filter(|pair| !pair.is_empty() && !pair.starts_with("after="));
    let query: Vec<String> = kept.map(str::to_owned).chain([format!("after={next}")]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_tell_every_item_once_whatever_comes_and_goes() {
        let mut list: Vec<u32> = (0..100).map(|number| number * 2).collect();
        let (mut told, mut after) = (Vec::new(), None);
        for turn in 0..20 {
            let query = PageQuery { limit: Some(7), after: after.take() };
            let page = query.of::<u32>(List::Changes).expect("its own cursor");
            let following =
                list.iter().copied().filter(|one| page.after.is_none_or(|at| *one > at));
            let (items, next) = page.take(following, |one| *one);
            told.extend(items);
            // What comes and goes on both sides of the place moves nothing else.
            list.retain(|one| *one != turn * 2 && *one != 190 - turn * 2);
            list.insert(0, 0);
            let Some(next) = next else { break };
            after = Some(next);
        }
        let kept: Vec<u32> = told.iter().copied().filter(|one| (90..=150).contains(one)).collect();
        let expected: Vec<u32> = (45..=75).map(|number| number * 2).collect();
        assert_eq!(kept, expected);
        assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    }

    #[test]
    fn cursors_that_are_not_this_lists() {
        let page = PageQuery::default().of::<u32>(List::Changes).expect("the first page");
        let cursor = page.cursor(&7);
        let of = |list, cursor: &str| {
            PageQuery { limit: None, after: Some(cursor.to_owned()) }.of::<u32>(list)
        };
        assert_eq!(of(List::Changes, &cursor).expect("its own").after, Some(7));
        for (list, cursor) in [
            (List::Inventory, cursor.as_str()),
            (List::Changes, &cursor[1..]),
            (List::Changes, "zz"),
            (List::Changes, ""),
            (List::Changes, "5b5d"),
        ] {
            assert!(of(list, cursor).is_err(), "{list:?} {cursor}");
        }
        for limit in [0, LIMIT_MAX + 1] {
            let query = PageQuery { limit: Some(limit), after: None };
            assert!(query.of::<u32>(List::Changes).is_err(), "{limit}");
        }
    }

    #[test]
    fn the_next_page_keeps_the_rest_of_the_query() {
        for (uri, expected) in [
            ("/api/v1/changes", "</api/v1/changes?after=ff>; rel=\"next\""),
            ("/x?limit=2&after=aa&state=kept", "</x?limit=2&state=kept&after=ff>; rel=\"next\""),
        ] {
            assert_eq!(link(&uri.parse().expect("a path"), "ff"), expected);
        }
    }
}
