//! Tables and properties of money; the oracle is plain 128-bit arithmetic that never divides.

use proptest::prelude::*;

use super::*;

fn check_price(text: &str, expect: Result<i64, &str>) {
    let read = PicoDollars::parse(text).map(PicoDollars::pico).map_err(|error| error.to_string());
    assert_eq!(read, expect.map_err(str::to_owned), "price {text:?}");
}

#[test]
fn prices_are_read_exactly() {
    check_price("0.0416", Ok(41_600_000_000));
    check_price("0", Ok(0));
    check_price("00.50", Ok(500_000_000_000));
    check_price("360.98695", Ok(360_986_950_000_000));
    check_price("0.0000133334", Ok(13_333_400));
    check_price("9223372.036854775807", Ok(i64::MAX));
    check_price(
        "9223372.036854775808",
        Err("`9223372.036854775808` dollars is too large: the highest price is 9223372 dollars"),
    );
    check_price(
        "99999999999999999999",
        Err("`99999999999999999999` dollars is too large: the highest price is 9223372 dollars"),
    );
    check_price("0.1234567890123", Err("`0.1234567890123` has more than 12 decimals: round it"));
    for text in ["", ".", ".5", "5.", "-1", "+1", "1e-3", "1,000", "1.2.3", " 1", "NaN", "٣"] {
        let message = format!("`{text}` is not a price: write plain dollars such as 0.0416");
        check_price(text, Err(&message));
    }
}

#[test]
fn amounts_and_prices_print_as_people_write_them() {
    let amounts = [
        (0, "$0.00"),
        (1_234_560_000, "$1,234.56"),
        (999_999, "$1.00"),
        (5_000, "$0.00"),
        (15_000, "$0.02"),
        (-5_000, "$0.00"),
        (-15_000, "-$0.02"),
        (-1_234_567_890_000, "-$1,234,567.89"),
        (i64::MAX, "$9,223,372,036,854.78"),
        (i64::MIN, "-$9,223,372,036,854.78"),
    ];
    for (micros, expect) in amounts {
        assert_eq!(Usd::from_micros(micros).to_string(), expect, "{micros} micro-dollars");
    }
    let prices = [
        (0, "$0.00"),
        (41_600_000_000, "$0.0416"),
        (-1, "-$0.000000000001"),
        (2_500_000_000_000, "$2.50"),
    ];
    for (pico, expect) in prices {
        assert_eq!(PicoDollars::from_pico(pico).to_string(), expect, "{pico} pico-dollars");
    }
}

#[test]
fn a_month_has_730_hours() {
    let hourly = PicoDollars::parse("0.0416").expect("a plain price");
    assert_eq!(hourly.monthly(), Usd::from_micros(30_368_000));
    assert_eq!(PicoDollars::from_pico(i64::MAX).times(u64::MAX), Usd::from_micros(i64::MAX));
    assert_eq!(hourly.times_fraction(1, 0), None);
    assert_eq!(hourly.times_fraction(u128::MAX, 1), None);
}

#[test]
fn json_is_a_number_of_dollars() {
    let text =
        |micros| serde_json::to_string(&Usd::from_micros(micros)).expect("a float is always JSON");
    assert_eq!(text(12_340_000), "12.34");
    assert_eq!(text(-1), "-1e-6");
    assert_eq!(text(30_368_000), "30.368");
    let read: Usd = serde_json::from_str("7").expect("a whole number of dollars");
    assert_eq!(read, Usd::from_micros(7_000_000));
    let error = serde_json::from_str::<Usd>("1e12").expect_err("beyond the exact range");
    assert!(error.to_string().contains("1000000000000 dollars is outside"), "{error}");
    assert!(serde_json::from_str::<Usd>("\"7\"").is_err());
}

#[test]
fn ratios_that_are_not_numbers_give_nothing() {
    let amount = Usd::from_micros(10_000_000);
    assert_eq!(amount.scaled(0.72), Some(Usd::from_micros(7_200_000)));
    assert_eq!(amount.scaled(f64::NAN), None);
    assert_eq!(amount.scaled(f64::INFINITY), None);
    assert_eq!(Usd::from_dollars(f64::NAN), None);
    assert_eq!(Usd::from_dollars(0.000_000_5), Some(Usd::ZERO));
    assert_eq!(Usd::from_dollars(0.000_001_5), Some(Usd::from_micros(2)));
}

/// Whether `quotient` is `numerator / denominator` rounded half to even, told without dividing.
fn is_rounded(quotient: i128, numerator: i128, denominator: i128) -> bool {
    let twice_off = (2 * (numerator - quotient * denominator)).abs();
    twice_off < denominator || (twice_off == denominator && quotient % 2 == 0)
}

proptest! {
    #[test]
    fn a_product_is_the_nearest_micro_dollar(pico in -400_000_000_000_000_i64..400_000_000_000_000, quantity in 0_u64..10_000_000) {
        let exact = i128::from(pico) * i128::from(quantity);
        let micros = i128::from(PicoDollars::from_pico(pico).times(quantity).micros());
        if exact.abs() / 1_000_000 < i128::from(i64::MAX) {
            prop_assert!(is_rounded(micros, exact, 1_000_000));
        } else {
            prop_assert_eq!(micros.abs(), i128::from(i64::MAX) + i128::from(micros < 0));
        }
    }

    #[test]
    fn a_fraction_is_rounded_once(pico in any::<i32>(), numerator in 0_u64..1_000_000_000, denominator in 1_u64..1_000_000_000) {
        let amount = PicoDollars::from_pico(i64::from(pico)).times_fraction(u128::from(numerator), denominator);
        let micros = i128::from(amount.expect("within 128 bits").micros());
        prop_assert!(is_rounded(micros, i128::from(pico) * i128::from(numerator), i128::from(denominator) * 1_000_000));
    }

    #[test]
    fn a_tie_goes_to_the_even_micro_dollar(micros in -1_000_000_000_i64..1_000_000_000) {
        let tie = PicoDollars::from_pico(micros * 1_000_000 + 500_000).times(1).micros();
        prop_assert_eq!(tie % 2, 0);
        prop_assert!(tie == micros || tie == micros + 1);
    }

    #[test]
    fn arithmetic_agrees_with_128_bits(a in any::<i64>(), b in any::<i64>()) {
        let (left, right) = (Usd::from_micros(a), Usd::from_micros(b));
        let wide = [i128::from(a) + i128::from(b), i128::from(a) - i128::from(b), i128::from(a) * i128::from(b)];
        let checked = [left.checked_add(right), left.checked_sub(right), left.checked_mul(b)];
        let held = [left.saturating_add(right), left.saturating_sub(right), left.saturating_mul(b)];
        for ((wide, checked), held) in wide.into_iter().zip(checked).zip(held) {
            prop_assert_eq!(checked.map(Usd::micros), i64::try_from(wide).ok());
            prop_assert_eq!(i128::from(held.micros()), wide.clamp(i64::MIN.into(), i64::MAX.into()));
        }
    }

    #[test]
    fn json_gives_back_every_micro_dollar(micros in -(1_i64 << 49)..=(1_i64 << 49)) {
        let amount = Usd::from_micros(micros);
        let text = serde_json::to_string(&amount).expect("a float is always JSON");
        prop_assert_eq!(serde_json::from_str::<Usd>(&text).expect("just written"), amount);
    }

    #[test]
    fn a_printed_price_reads_back(pico in 0..i64::MAX) {
        let price = PicoDollars::from_pico(pico);
        prop_assert_eq!(PicoDollars::parse(price.to_string().trim_start_matches('$')), Ok(price));
    }
}
