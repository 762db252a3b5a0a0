//! `trimtab backtest` as a person meets it: the real binary on small recorded files, and what it says of bad ones.
//!
//! Not here: windows, rules and scores, which have tables of their own in `models`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

/// Hours in the recorded files: ten days.
const HOURS: usize = 240;
/// What splits ten days into days to learn from and to judge.
const SPLIT: [&str; 6] = ["--skip-days", "1", "--train-days", "6", "--test-days", "3"];

struct Said {
    code: i32,
    out: String,
    err: String,
}

/// Runs a back-test in a folder, so that files go by their bare names.
fn backtest(folder: &Path, args: &[&str]) -> Said {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_trimtab"))
        .arg("backtest")
        .args(args)
        .current_dir(folder)
        .output()
        .expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the output is UTF-8");
    Said { code: status.code().expect("it is not killed"), out: text(stdout), err: text(stderr) }
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", said.out, said.err))
}

/// A folder with files of these names and texts.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("written");
    }
    folder
}

fn read(folder: &TempDir, name: &str) -> String {
    fs::read_to_string(folder.path().join(name)).expect("the file is there")
}

/// A file of `HOURS` hourly rows: its header, then a cell for each column of each row.
fn hourly(names: &[&str], cell: impl Fn(usize, usize) -> String) -> String {
    let mut text = format!("t_unix,{}\n", names.join(","));
    for row in 0..HOURS {
        let cells: Vec<String> = (0..names.len()).map(|column| cell(column, row)).collect();
        text.push_str(&format!("{},{}\n", 1_375_308_000 + 3_600 * row, cells.join(",")));
    }
    text
}

/// Steady at 25 %, full, unknown, and of two levels by day and night.
fn usage() -> String {
    hourly(&["steady", "full", "unknown", "\"day, night\""], |column, row| match column {
        0 => "25".to_owned(),
        1 => "100".to_owned(),
        2 => String::new(),
        _ => if row % 24 < 12 { "5" } else { "50" }.to_owned(),
    })
}

/// In another order, with a column and a machine that nobody asked for.
const META: &str =
    "region,vm,cores\nx,unknown,3\nx,full,4\nx,steady,4\nx,other,64\nx,\"day, night\",2\n";

#[test]
fn sizes_are_chosen_written_drawn_and_scored() {
    let folder = folder(&[("usage.csv", &usage()), ("meta.csv", META)]);
    let args = [
        &["sizing", "--usage", "usage.csv", "--meta", "meta.csv", "--preset", "co-p99-5-20"][..],
        &SPLIT,
        &["--out", "sizes.csv", "--svg", "curve.svg"],
    ]
    .concat();
    let said = backtest(folder.path(), &args);
    assert_eq!(said.code, 0, "{}", said.err);
    // P99.5 with a fifth on top: 1 / 0.8, 4 / 0.8, what it has, and 1 / 0.8; the next sizes of the ladder.
    let sizes = "resource,vcpu\nsteady,2\nfull,8\nunknown,4\n\"day, night\",2\n";
    assert_eq!(read(&folder, "sizes.csv"), sizes);
    for word in ["2 machines judged, 1 saturated", "KRR P95", "Trimtab balanced", "1 machines have"]
    {
        assert!(said.out.contains(word), "{word} is missing in\n{}", said.out);
    }
    let table = said.out.lines().filter(|line| line.starts_with(' '));
    assert!(table.map(|line| line.chars().count()).max() <= Some(80), "{}", said.out);
    let svg = read(&folder, "curve.svg");
    for word in ["prefers-color-scheme:dark", "KRR P95", "As provisioned", "Trimtab co-p99-5-20"] {
        assert!(svg.contains(word), "{word} is missing in\n{svg}");
    }
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));

    let view = json(&backtest(folder.path(), &[&args[..], &["--json"]].concat()));
    assert_eq!(view["machines_unmeasured"], serde_json::json!(["unknown"]));
    let policies = view["policies"].as_array().expect("policies");
    let own = policies.iter().find(|one| one["preset"] == "co-p99-5-20").expect("it was asked for");
    // 4 vCPU where the oracle takes 2, of 6: nothing is exceeded, and a third is saved.
    assert_eq!(own["score"]["cost_to_oracle"]["value"], 2.0);
    assert_eq!(own["score"]["violating_ratio"], 0.0);
    assert_eq!(own["score"]["saturated_upsized_ratio"], 1.0);
    assert!((own["score"]["saving_ratio"].as_f64().expect("a number") - 1.0 / 3.0).abs() < 1e-12);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 4, "nothing is left behind: {left:?}");
}

#[test]
fn a_test_that_ends_early_is_judged_as_far_as_it_goes() {
    let folder = folder(&[("usage.csv", &usage()), ("meta.csv", META)]);
    let args = ["sizing", "--usage", "usage.csv", "--meta", "meta.csv", "--train-days", "7"];
    let args = [&args[..], &["--skip-days", "1", "--test-days", "9"]].concat();
    let said = backtest(folder.path(), &args);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("ends 168 rows before the last of the 9 days"), "{}", said.out);
}

#[test]
fn forecasts_are_made_written_and_scored() {
    let text = hourly(&["wave", "unknown", "holed"], |column, row| match column {
        0 => format!("{:.3}", 50.0 + 20.0 * (row as f64 / 24.0 * std::f64::consts::TAU).sin()),
        1 => String::new(),
        _ => {
            if row % 7 == 0 {
                String::new()
            } else {
                (row % 24).to_string()
            }
        }
    });
    // An hour that an export left out is a gap, and the origins go by the rows that are there.
    let text: String = text
        .lines()
        .enumerate()
        .filter(|(line, _)| *line != 200)
        .map(|(_, line)| format!("{line}\n"))
        .collect();
    let folder = folder(&[("series.csv", &text)]);
    let args = ["forecast", "--series", "series.csv", "--horizon", "24", "--origins", "2"];
    let args = [&args[..], &["--lookback-days", "7", "--out", "f.csv"]].concat();
    let said = backtest(folder.path(), &args);
    assert_eq!(said.code, 0, "{}", said.err);
    for word in ["naive day", "Trimtab", "1 series are not in the file", "unknown"] {
        assert!(said.out.contains(word), "{word} is missing in\n{}", said.out);
    }
    let written = read(&folder, "f.csv");
    let mut lines = written.lines();
    assert_eq!(lines.next(), Some("series,origin,step,q025,q10,q50,q90,q95,q975,q99"));
    let lines: Vec<&str> = lines.collect();
    assert_eq!(lines.len(), 2 * 2 * 24);
    assert!(lines[0].starts_with("wave,191,1,") && lines[24].starts_with("wave,215,1,"));
    assert!(lines[95].starts_with("holed,215,24,"), "{}", lines[95]);
    for line in lines {
        let figures: Vec<f64> =
            line.split(',').skip(3).map(|cell| cell.parse().expect("a number")).collect();
        assert!(figures.len() == 7 && figures.is_sorted(), "{line}");
    }

    let view = json(&backtest(folder.path(), &[&args[..], &["--json"]].concat()));
    assert_eq!(view["series_judged"], 2);
    assert_eq!(view["series_left_out"], serde_json::json!(["unknown"]));
    assert_eq!(view["forecasters"].as_array().map(Vec::len), Some(6));
}

#[test]
fn a_file_with_two_columns_is_one_series_and_results_can_be_piped() {
    let text = hourly(&["value"], |_, row| (row % 24).to_string());
    // Spreadsheets begin with a byte-order mark and end lines their own way.
    let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let folder = folder(&[("one.csv", &text)]);
    let args = ["forecast", "--series", "one.csv", "--horizon", "24", "--origins", "1"];
    let said = backtest(folder.path(), &[&args[..], &["--out", "/dev/stdout"]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.contains("value,216,24,"), "{}", said.out);
}

/// Bad files, each with what is told of it.
#[test]
fn bad_files_are_told_by_place_and_value() {
    let usage = |lines: &str| format!("t,a,b\n{lines}");
    let meta = "vm,cores\na,1\nb,1\n";
    for (usage, meta, told) in [
        (usage("0,1,2\n300,1\n"), meta, &["`u.csv`, line 3", "2 cells", "3"][..]),
        (usage("0,1,2\n300,1,2,3\n"), meta, &["line 3", "4 cells"]),
        (usage("0,1,2\n300,1,x%\n"), meta, &["line 3, column `b`", "`x%`", "leave the cell empty"]),
        (usage("0,1,2\n300,-4,2\n"), meta, &["line 3, column `a`", "`-4` is below 0"]),
        (usage("0,1,2\n300,inf,2\n"), meta, &["column `a`", "`inf`"]),
        (
            usage("0,1,2\nnoon,1,2\n"),
            meta,
            &["line 3, column `t`", "`noon` is no time", "2026-01-31"],
        ),
        (usage("0,1,2\n300,1,2\n300,1,2\n600,1,2\n"), meta, &["line 4", "again", "--step-s 300"]),
        (
            usage("0,1,2\n300,1,2\n600,1,2\n700,1,2\n"),
            meta,
            &["line 5", "100 s after", "300 s apart"],
        ),
        (usage("0,1,2\n7,1,2\n14,1,2\n"), meta, &["7 s apart", "a day is no multiple"]),
        (usage("0,1,2\n300,1,2\n"), meta, &["too little history", "there are 2", "--train-days"]),
        (usage("0,1,2\n"), meta, &["1 rows below the header"]),
        (String::new(), meta, &["`u.csv`, line 1", "empty"]),
        ("t;a;b\n0;1;2\n".to_owned(), meta, &["the only column is `t;a;b`", "commas"]),
        ("t,a,a\n0,1,2\n".to_owned(), meta, &["line 1, column `a`", "columns 2 and 3", "rename"]),
        ("t,a,\n0,1,2\n".to_owned(), meta, &["line 1", "column 3 has no name"]),
        ("0,1,2\n300,1,2\n".to_owned(), meta, &["line 1", "all column names are numbers"]),
        (usage("0,1,2\n300,1,2\n"), "vm,cores\na,1\n", &["`m.csv`", "no row for `b`"]),
        (
            usage("0,1,2\n300,1,2\n"),
            "vm,cores\na,0\nb,1\n",
            &["`m.csv`, line 2, column `cores`", "`0`"],
        ),
        (usage("0,1,2\n300,1,2\n"), "vm,cores\na,1\na,2\n", &["line 3, column `vm`", "line 2"]),
        (usage("0,1,2\n300,1,2\n"), "name,cores\na,1\n", &["no column `vm`", "name, cores"]),
    ] {
        let folder = folder(&[("u.csv", &usage), ("m.csv", meta)]);
        let said = backtest(folder.path(), &["sizing", "--usage", "u.csv", "--meta", "m.csv"]);
        assert_eq!(said.code, 2, "{usage}: {}{}", said.out, said.err);
        assert!(said.out.is_empty(), "{}", said.out);
        for word in told {
            assert!(said.err.contains(word), "{word} is missing in {}", said.err);
        }
    }
}

#[test]
fn what_cannot_be_read_written_or_done_is_told() {
    let series = hourly(&["a"], |_, _| "1".to_owned());
    let gaps = hourly(&["a"], |_, _| String::new());
    let folder = folder(&[("s.csv", &series), ("gaps.csv", &gaps)]);
    for (args, code, told) in [
        (&["--series", "none.csv"][..], 2, &["`none.csv`", "check that it is a file"][..]),
        (&["--series", "."], 2, &["failed to read"]),
        (
            &["--series", "s.csv", "--horizon", "24", "--origins", "20"],
            2,
            &["--origins 8", "528 rows"],
        ),
        (&["--series", "s.csv", "--horizon", "999"], 2, &["--horizon 168"]),
        (&["--series", "s.csv", "--horizon", "0"], 2, &["--horizon", "not a whole number"]),
        (&["--series", "s.csv", "--step-s", "7"], 2, &["--step-s", "a day is a multiple of"]),
        (
            &["--series", "s.csv", "--horizon", "24", "--out", "no/f.csv"],
            1,
            &["failed to write `no/f.csv`", "a folder that exists"],
        ),
        (&["--series", "s.csv", "--horizon", "24", "--out", "."], 1, &["failed to write `.`"]),
        (
            &["--series", "s.csv", "--horizon", "24", "--out", "./s.csv"],
            2,
            &["is the input `s.csv`"],
        ),
        (&["--series", "gaps.csv", "--horizon", "24"], 1, &["`gaps.csv`", "could be forecast"]),
    ] {
        let said = backtest(folder.path(), &[&["forecast"], args].concat());
        assert_eq!(said.code, code, "{args:?}: {}{}", said.out, said.err);
        for word in told {
            assert!(said.err.contains(word), "{word} is missing in {}", said.err);
        }
    }
    assert_eq!(read(&folder, "s.csv"), series, "the input is whole");
    let sizing = ["sizing", "--usage", "s.csv", "--meta", "m.csv", "--ladder", "1,4,2"];
    let said = backtest(folder.path(), &sizing);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("size 3, 2, stands after 4"), "{}", said.err);
}
