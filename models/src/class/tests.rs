//! Profiles by hand, classes of known shapes in any order, and what borrowing does for machines three days old.

use std::{env, fs, path::Path};

use proptest::prelude::*;

use super::*;

fn arn(name: &str) -> Arn {
    Arn(format!("arn:aws:ec2:us-east-1:123456789012:instance/{name}"))
}

fn series(step_s: u32, values: Vec<f32>) -> Series {
    Series { start_s: 0, step_s, values }
}

fn profile(step_s: u32, values: Vec<f32>) -> Option<Profile> {
    Profile::of(&arn("i-1"), &series(step_s, values))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[test]
fn profiles_are_those_by_hand() {
    // Twelve hours at 1 and twelve at 3: a mean of 2, nothing around the means of the hours.
    let halves = |hour: usize| if hour % 24 < 12 { 1.0 } else { 3.0 };
    let found = profile(3_600, (0..48).map(halves).collect()).expect("two whole days");
    assert!(near(found.days, 2.0) && near(found.mean, 2.0) && near(found.variation, 0.0));
    assert!(near(found.shape[0], 0.5) && near(found.shape[23], 1.5));
    assert!(found.spread.iter().all(|ratio| near(*ratio, 1.5)), "{:?}", found.spread);
    // A day at 1 and a day at 3: level hours, each a unit away from its mean of 2.
    let days = |hour: usize| if hour < 24 { 1.0 } else { 3.0 };
    let found = profile(3_600, (0..48).map(days).collect()).expect("two whole days");
    assert!(near(found.variation, 0.5) && found.shape.iter().all(|hour| near(*hour, 1.0)));
    // A gap is no zero: the second day was not seen.
    let gapped = |hour: usize| if hour < 24 { 1.0 } else { f32::NAN };
    let found = profile(3_600, (0..48).map(gapped).collect()).expect("a whole day");
    assert!(near(found.mean, 1.0) && near(found.days, 1.0));
}

#[test]
fn what_has_no_day_has_no_profile() {
    let minute = |value: f32| vec![value; 10 * 1_440];
    let cases: [(&str, u32, Vec<f32>); 9] = [
        ("nothing", 300, Vec::new()),
        ("gaps", 300, vec![f32::NAN; 4_032]),
        ("one point", 300, vec![1.0]),
        ("flat zero", 300, vec![0.0; 4_032]),
        ("negative", 60, minute(-1.0)),
        ("infinite", 60, minute(f32::INFINITY)),
        ("23 hours", 3_600, vec![1.0; 23]),
        ("steps of two hours", 7_200, vec![1.0; 500]),
        ("no step", 0, vec![1.0; 500]),
    ];
    for (name, step_s, values) in cases {
        assert_eq!(profile(step_s, values), None, "{name}");
    }
    let spike = |slot: usize| if slot == 7 { 1e9 } else { 0.0 };
    let found = profile(300, (0..4_032).map(spike).collect()).expect("its mean is positive");
    assert!(found.features().iter().all(|one| one.is_finite()));
    assert!(profile(86_400 / 24, vec![1.0; 24 * 3_650]).is_some(), "ten years");
}

/// A generator without a crate: Knuth's.
fn noises(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1_u32 << 24)
    }
}

/// The kinds of days that the tests know, and one slot of each.
const KINDS: [&str; 4] = ["level", "office", "batch", "burst"];

fn slot(kind: usize, hour: usize, noise: f64) -> f64 {
    match KINDS[kind] {
        "level" => 10.0 + noise,
        "office" if (8..18).contains(&hour) => 40.0 + 5.0 * noise,
        "office" => 5.0 + noise,
        "batch" if hour == 2 => 90.0 + noise,
        "batch" => 3.0 + noise,
        _ if noise > 0.97 => 80.0,
        _ => 2.0 + noise,
    }
}

/// `count` machines of each kind over `days` days of hours, at their own scales.
fn machines(count: usize, days: usize, seed: u64) -> Vec<Profile> {
    let mut noise = noises(seed);
    let mut found = Vec::new();
    for index in 0..count * KINDS.len() {
        let (kind, scale) = (index % KINDS.len(), 0.2 + noise());
        let value = |hour: usize| (scale * slot(kind, hour % 24, noise())) as f32;
        let values = (0..24 * days).map(value).collect();
        let name = format!("{}-{index:05}", KINDS[kind]);
        found.extend(Profile::of(&arn(&name), &series(3_600, values)));
    }
    found
}

fn kind_of(arn: &Arn) -> &str {
    let name = arn.0.rsplit('/').next().expect("a name");
    name.split('-').next().expect("a kind")
}

#[test]
fn kinds_of_days_are_told_apart() {
    let classes = classes(&machines(40, 14, 3));
    assert!(classes.all().len() >= KINDS.len(), "{}", classes.all().len());
    for class in classes.all() {
        let kind = kind_of(&class.members[0]);
        assert!(class.members.iter().all(|member| kind_of(member) == kind), "{class:?}");
    }
    // Whether a machine bursts does not show in every three days.
    for young in machines(10, 3, 8).into_iter().filter(|one| kind_of(&one.arn) != "burst") {
        let class = classes.of(&young).expect("there are classes");
        assert_eq!(kind_of(&class.members[0]), kind_of(&young.arn));
    }
}

#[test]
fn few_or_young_machines_make_no_class() {
    assert_eq!(classes(&[]), Classes::default());
    assert_eq!(classes(&machines(2, 14, 3)), Classes::default(), "eight are too few");
    assert_eq!(classes(&machines(40, 12, 3)), Classes::default(), "twelve days are too few");
    let alike = vec![machines(1, 14, 3)[0].clone(); 100];
    assert_eq!(classes(&alike), Classes::default(), "one resource, however often it is given");
    let named = |index: usize| Profile { arn: arn(&format!("i-{index}")), ..alike[0].clone() };
    let same = classes(&(0..100).map(named).collect::<Vec<_>>());
    assert_eq!(same.all().len(), 1, "a hundred of the very same day are one class");
}

#[test]
fn the_nearest_lender_lends() {
    let old = machines(40, 14, 3);
    let classes = classes(&old);
    let young = machines(1, 3, 8).into_iter().nth(1).expect("an office machine");
    let levels: Vec<&Profile> = old.iter().filter(|one| kind_of(&one.arn) == "level").collect();
    let bursts: Vec<&Profile> = old.iter().filter(|one| kind_of(&one.arn) == "burst").collect();
    let babies = machines(5, 5, 4);
    let babies: Vec<&Profile> = babies.iter().collect();
    type Case<'a> = (&'a str, Peers<'a>, Lender, usize);
    let cases: [Case<'_>; 5] = [
        ("the group first", Peers { group: &levels, tag: &bursts }, Lender::Group, 40),
        ("then the tag", Peers { group: &[], tag: &bursts }, Lender::Tag, 40),
        ("two are no group", Peers { group: &levels[..2], tag: &bursts }, Lender::Tag, 40),
        ("the young lend nothing", Peers { group: &babies, tag: &levels[..3] }, Lender::Tag, 3),
        ("then the class", Peers::default(), Lender::Class, 0),
    ];
    for (name, peers, lender, lenders) in cases {
        let found = borrow(&young, &peers, &classes).expect("somebody lends");
        assert_eq!(found.lender, lender, "{name}");
        assert!(lenders == 0 || found.lenders == lenders, "{name}: {}", found.lenders);
        assert!(near(found.weight, 1.0 - 3.0 / 12.6), "{name}");
    }
    assert_eq!(borrow(&old[0], &Peers::default(), &classes), None, "it is old enough itself");
    assert_eq!(borrow(&young, &Peers::default(), &Classes::default()), None, "nobody lends");
}

#[test]
fn demand_is_that_by_hand() {
    let spread = [1.5, 2.0, 3.0, 4.0];
    let full = Borrowed { lender: Lender::Class, lenders: 10, spread, weight: 1.0 };
    let half = Borrowed { weight: 0.5, ..full };
    // (lender, quantile, mean, seen) -> demand
    let cases = [
        (full, 0.95, 10.0, 12.0, 20.0),
        (full, 0.97, 10.0, 12.0, 25.0),
        (full, 0.999, 10.0, 12.0, 40.0),
        (full, 0.5, 10.0, 12.0, 15.0),
        (half, 0.95, 10.0, 12.0, 16.0),
        (full, 0.95, 10.0, 90.0, 90.0),
    ];
    for (lender, q, mean, seen, expect) in cases {
        let found = lender.demand(q, mean, seen);
        assert!(near(found, expect), "{q} {mean} {seen}: {found} is not {expect}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_order_of_resources_changes_nothing(seed in any::<u64>(), keys in prop::collection::vec(any::<u32>(), 60)) {
        let profiles = machines(15, 14, seed);
        let mut shuffled: Vec<(u32, Profile)> = keys.into_iter().zip(profiles.clone()).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let shuffled: Vec<Profile> = shuffled.into_iter().map(|(_, profile)| profile).collect();
        prop_assert_eq!(classes(&profiles), classes(&shuffled));
    }

    #[test]
    fn borrowing_only_adds(
        seen in 0.0_f64..100.0,
        mean in 0.0_f64..100.0,
        q in 0.5_f64..1.0,
        days in 1_usize..12,
    ) {
        let young = machines(1, days, 8).into_iter().next().expect("a day");
        let found = borrow(&young, &Peers::default(), &classes(&machines(10, 14, 3)));
        let found = found.expect("there is a class");
        prop_assert!(found.demand(q, mean, seen) >= seen);
        prop_assert!(found.spread.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn scale_is_no_matter(factor in 0.01_f32..100.0) {
        let values: Vec<f32> = (0..24 * 14).map(|hour| slot(1, hour % 24, 0.5) as f32).collect();
        let scaled = values.iter().map(|value| value * factor).collect();
        let (one, other) = (profile(3_600, values), profile(3_600, scaled));
        let (one, other) = (one.expect("a day"), other.expect("a day"));
        for (one, other) in one.features().into_iter().zip(other.features()) {
            prop_assert!((one - other).abs() < 1e-4);
        }
    }
}

/// CPU of recorded machines (5 minutes, 14 days), or of seeded ones of the kinds above.
#[expect(
    clippy::disallowed_methods,
    reason = "where recorded series lie is the test's own environment"
)]
fn recorded() -> Vec<Series> {
    let Some(folder) = env::var_os("TRIMTAB_DATA") else {
        let mut noise = noises(21);
        let mut machine = |index: usize| {
            let value = |slot_index: usize| slot(index % 4, slot_index / 12 % 24, noise()) as f32;
            series(300, (0..4_032).map(value).collect())
        };
        return (0..120).map(&mut machine).collect();
    };
    let path = Path::new(&folder).join("bitbrains_rnd/cpu_pct_2013-08.csv");
    let text = fs::read_to_string(path).expect("TRIMTAB_DATA holds the recorded machines");
    let mut lines = text.lines();
    let columns = lines.next().expect("the file has a header").split(',').count() - 1;
    let mut machines = vec![Vec::new(); columns];
    for line in lines.take(4_032) {
        for (machine, cell) in machines.iter_mut().zip(line.split(',').skip(1)) {
            machine.push(cell.parse().unwrap_or(f32::NAN));
        }
    }
    machines.into_iter().map(|values| series(300, values)).collect()
}

#[test]
fn three_days_and_a_class_tell_more_than_three_days() {
    let all = recorded();
    let name = |index: usize| arn(&format!("i-{index:03}"));
    let profiles: Vec<Option<Profile>> =
        all.iter().enumerate().map(|(index, one)| Profile::of(&name(index), one)).collect();
    let q = 0.99;
    let (mut own, mut lent, mut count) = (0.0, 0.0, 0.0);
    let (mut own_room, mut lent_room) = (0.0, 0.0);
    for half in 0..2 {
        let lenders: Vec<Profile> =
            profiles.iter().skip(half).step_by(2).flatten().cloned().collect();
        let classes = classes(&lenders);
        for (index, whole) in all.iter().enumerate().skip(1 - half).step_by(2) {
            let first = whole.window(0, 3 * 86_400);
            let Some(young) = Profile::of(&name(index), &first) else { continue };
            let later = whole.window(3 * 86_400, i64::from(u32::MAX));
            let at = |one: &Series| quantile(&mut one.numbers(), q);
            let (Some(seen), Some(truth)) = (at(&first), at(&later)) else { continue };
            let Some(borrowed) = borrow(&young, &Peers::default(), &classes) else { continue };
            let demand = borrowed.demand(q, young.mean, seen);
            own += f64::from(u8::from(seen >= truth));
            lent += f64::from(u8::from(demand >= truth));
            own_room += (seen / truth.max(0.1)).ln();
            lent_room += (demand / truth.max(0.1)).ln();
            count += 1.0;
        }
    }
    let (own, lent) = (own / count, lent / count);
    let room = ((own_room / count).exp(), (lent_room / count).exp());
    assert!(lent >= own + 0.1, "{own:.3} alone, {lent:.3} with a class, of {count} {room:?}");
}
