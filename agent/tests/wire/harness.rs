//! Tests of the harness itself, through the real SDK alone: what the tests of Trimtab build on must hold first.

mod emulator;
mod faults;
mod metrics;
mod rules;

/// A present on the grid of the series; any would do.
const NOW: i64 = 1_790_000_100;
const REGION: &str = "us-east-1";

/// The error code that the SDK read from an answer.
fn code<T: std::fmt::Debug>(
    outcome: Result<T, impl aws_sdk_ec2::error::ProvideErrorMetadata>,
) -> String {
    match outcome {
        Ok(answer) => panic!("expected an error, got {answer:?}"),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}
