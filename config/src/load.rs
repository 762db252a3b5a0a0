//! The ways in: a file, a text, a scenario's table; and the process environment, read here alone.
//!
//! Not here: what is right or wrong (`layer`, `validate`).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value};

use crate::{
    layer::{PREFIX, SEPARATOR, layered},
    places::Places,
    problem::{ConfigError, Problem},
    settings::Settings,
    validate::validate,
};

/// The settings in a file, with the environment over them.
///
/// Relative paths in it are taken from the file's folder.
///
/// # Errors
/// [`ConfigError::Read`] when the file cannot be read, [`ConfigError::Invalid`] with everything that is wrong in it.
pub fn load(path: &Path, environment: &BTreeMap<String, String>) -> Result<Settings, ConfigError> {
    let read_error = |source| ConfigError::Read { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(read_error)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut places = Places::new(&text, &path.display().to_string(), true);
    from_text(&text, environment, &mut places, folder)
}

/// The settings in a text that errors call `name`, without any environment. Relative paths stay as they are.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse(text: &str, name: &str) -> Result<Settings, ConfigError> {
    parse_layered(text, name, &BTreeMap::new())
}

/// [`parse`], with an environment over the text.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn parse_layered(
    text: &str,
    name: &str,
    environment: &BTreeMap<String, String>,
) -> Result<Settings, ConfigError> {
    from_text(text, environment, &mut Places::new(text, name, true), Path::new(""))
}

/// The settings in a scenario's table `[settings]`. Errors call it `name`, without lines: they would be those of
/// another text.
///
/// Without a section `[cloud]` the provider is the scenario itself. Follow with
/// [`Settings::with_simulated_accounts`], because a scenario names its own accounts.
///
/// # Errors
/// [`ConfigError::Invalid`] with everything that is wrong.
pub fn from_scenario(mut table: Table, name: &str) -> Result<Settings, ConfigError> {
    let simulated = Table::from_iter([
        ("provider".to_owned(), Value::String("simulated".to_owned())),
        ("scenario".to_owned(), Value::String(name.to_owned())),
    ]);
    table.entry("cloud").or_insert(Value::Table(simulated));
    let text = toml::to_string(&table).map_err(|error| {
        ConfigError::Invalid(vec![Problem {
            place: name.to_owned(),
            key: "settings".to_owned(),
            value: None,
            why: format!("cannot be written as TOML: {error}"),
            allowed: String::new(),
        }])
    })?;
    from_text(&text, &BTreeMap::new(), &mut Places::new(&text, name, false), Path::new(""))
}

fn from_text(
    text: &str,
    environment: &BTreeMap<String, String>,
    places: &mut Places,
    folder: &Path,
) -> Result<Settings, ConfigError> {
    let raw = layered(text, environment, places).map_err(ConfigError::Invalid)?;
    validate(&raw, places, folder).map_err(ConfigError::Invalid)
}

/// The variables of the process that are settings: `TRIMTAB_<SECTION>__<KEY>`. Nothing else in
/// the program reads settings from the environment.
///
/// A value that is not UTF-8 is kept with replacement characters, so that validation can name it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .filter(|(name, _)| name.starts_with(PREFIX) && name.contains(SEPARATOR))
        .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
        .collect()
}

/// What the environment says about how commands run, apart from settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Whether whoever reads wants no colour: `NO_COLOR` is not empty, or `TERM` is `dumb`.
    pub no_color: bool,
    /// `TRIMTAB_TOKEN_FILE`: the file with the token of whoever asks a daemon.
    pub token_file: Option<PathBuf>,
}

/// Reads them. An empty variable counts as one that is not set.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
pub fn surroundings() -> Surroundings {
    let given = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    Surroundings {
        no_color: given("NO_COLOR").is_some() || given("TERM").is_some_and(|term| term == "dumb"),
        token_file: given("TRIMTAB_TOKEN_FILE").map(PathBuf::from),
    }
}

/// A path of the file, taken from the file's folder when it is relative.
pub(crate) fn resolve(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}
