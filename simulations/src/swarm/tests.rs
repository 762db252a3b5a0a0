//! Plans: the same for the same seed, and of every kind over many.

use super::*;

#[test]
fn a_seed_has_one_plan() {
    let catalog = Catalog::embedded();
    for seed in 0..20 {
        assert_eq!(Plan::of(seed, &catalog), Plan::of(seed, &catalog));
    }
    assert_ne!(Plan::of(1, &catalog), Plan::of(2, &catalog));
}

#[test]
fn every_kind_of_fault_is_drawn() {
    let catalog = Catalog::embedded();
    let mut kinds = std::collections::BTreeSet::new();
    for seed in 0..300 {
        for rule in Plan::of(seed, &catalog).rules {
            let words = format!("{:?}", rule.fault);
            kinds.insert(words.split([' ', '(']).next().expect("a word").to_owned());
            assert!(rule.from < rule.until, "{rule:?}");
        }
    }
    assert_eq!(kinds.len(), 22, "{kinds:?}");
}
