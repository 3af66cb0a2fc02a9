//! Settings: named, documented, checked, from code and from the environment.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::process::Command;

use cluster::prelude::*;
use cluster::{BadSetting, Config, EntityOptions, Error, Setting, StartError};

use crate::log::Echo;

/// Environment variables as a test has them.
fn variables(given: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    given.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn read(given: &[(&str, &str)]) -> Result<Config, BadSetting> {
    let mut config = Config::default();
    config.set_from(variables(given)).map(|()| config)
}

fn setting(name: &str) -> &'static Setting {
    Config::settings().iter().find(|setting| setting.name() == name).unwrap()
}

async fn refused(change: impl FnOnce(&mut Config)) -> String {
    let started = Cluster::builder_without_env().config(change).start().await;
    let Err(Error::Start(error @ StartError::Setting(_))) = started else { panic!("{started:?}") };
    error.to_string()
}

// proves: B61
#[test]
fn every_setting_is_refused_when_it_is_zero_or_negative() {
    for setting in Config::settings() {
        let variable = setting.variable();
        assert_eq!(variable, format!("CLUSTER_{}", setting.name().to_uppercase()));
        let unit = setting.default().trim_start_matches(|letter: char| letter.is_ascii_digit());
        let no_number = unit == setting.default();
        for value in [format!("0{unit}"), format!("-1{unit}"), String::new()] {
            let error = read(&[(&variable, &value)]).unwrap_err();
            assert_eq!(error.setting(), Some(setting.name()));
            let text = error.to_string();
            assert!(text.contains(&variable) && text.contains(setting.name()), "{text}");
            let negative = value.starts_with('-') && !no_number;
            assert!(!negative || text.contains("must not be negative"), "{text}");
        }
    }
}

// proves: B61
#[tokio::test]
async fn a_bad_setting_ends_the_start_with_its_name() {
    let text = refused(|config| config.idle = Duration::ZERO).await;
    assert_eq!(text, "the setting `idle` must not be zero");
    let text = refused(|config| config.load_page_bytes = 0).await;
    assert_eq!(text, "the setting `load_page_bytes` must not be zero");
    let text = refused(|config| config.key_bytes_max = 1_025).await;
    assert_eq!(text, "the setting `key_bytes_max` must be at most 1KiB");
    let text = refused(|config| config.backoff_min = Duration::from_secs(31)).await;
    assert!(text.contains("`backoff_min` (`CLUSTER_BACKOFF_MIN`) must not be larger"), "{text}");
    // One renewal may come late.
    let text = refused(|config| config.renewal = Duration::from_millis(2_501)).await;
    let both = "the setting `renewal` (`CLUSTER_RENEWAL`) must fit into `lease` (`CLUSTER_LEASE`) \
                at least 2 times";
    assert_eq!(text, both);
    let text = refused(|config| config.lease = Duration::from_millis(1_999)).await;
    assert_eq!(text, both);
    let builder = Cluster::builder_without_env();
    let builder = builder.config(|config| config.renewal = Duration::from_millis(2_500));
    builder.start().await.unwrap();
    // Options of a type are settings too.
    let zeros = [
        EntityOptions { mailbox: Some(0), ..EntityOptions::DEFAULT },
        EntityOptions { idle: Some(Duration::ZERO), ..EntityOptions::DEFAULT },
        EntityOptions { concurrency: Some(0), ..EntityOptions::DEFAULT },
        EntityOptions { attempts: Some(0), ..EntityOptions::DEFAULT },
        EntityOptions { backoff_min: Some(Duration::ZERO), ..EntityOptions::DEFAULT },
        EntityOptions { backoff_max: Some(Duration::ZERO), ..EntityOptions::DEFAULT },
    ];
    for options in zeros {
        let builder = Cluster::builder().entity::<Echo>().options::<Echo>(options);
        let started = builder.start().await;
        assert!(matches!(started, Err(Error::Start(StartError::Setting(_)))), "{options:?}");
    }
}

// proves: B61
#[test]
fn the_environment_is_read_in_units() {
    let config = read(&[
        ("CLUSTER_CALL_TIMEOUT", "250ms"),
        ("CLUSTER_DEDUPLICATION_WINDOW", "7d"),
        ("CLUSTER_PAYLOAD_BYTES_MAX", "512KiB"),
        ("CLUSTER_MAILBOX", "1_024"),
        ("CLUSTER_SHARD_COUNT", "16"),
        ("CLUSTER_ON_PANIC", "defect"),
        ("CLUSTER_IDLE", " 5m "),
        ("PATH", "zero"),
        ("cluster_idle", "0s"),
        ("CLUSTER_SERVICE_HOST", "unlike any setting"),
    ])
    .unwrap();
    assert_eq!(config.call_timeout, Duration::from_millis(250));
    assert_eq!(config.deduplication_window, Duration::from_secs(7 * 86_400));
    assert_eq!(config.payload_bytes_max, 512 << 10);
    assert_eq!((config.mailbox, config.shard_count.get()), (1_024, 16));
    assert_eq!(config.on_panic, cluster::OnPanic::Defect);
    assert_eq!(config.idle, Duration::from_secs(300));
    assert_eq!(config.attempts, 10, "what is not named stays");
}

// proves: B61
#[test]
fn what_the_environment_cannot_mean_is_refused_with_what_to_write() {
    let refused = |name: &str, value: &str| read(&[(name, value)]).unwrap_err().to_string();
    let text = refused("CLUSTER_IDLE", "60");
    assert!(text.contains("`CLUSTER_IDLE` sets `idle`, and `60` is not such a value"), "{text}");
    assert!(text.contains("`250ms`"), "{text}");
    let text = refused("CLUSTER_PAYLOAD_BYTES_MAX", "4MB");
    assert!(text.contains("`4MiB`"), "{text}");
    let text = refused("CLUSTER_ENTITY_ID_BYTES_MAX", "2KiB");
    assert!(text.contains("(from `CLUSTER_ENTITY_ID_BYTES_MAX`) must be at most 1KiB"), "{text}");
    let text = refused("CLUSTER_CALL_TIMOUT", "1s");
    assert_eq!(text, "`CLUSTER_CALL_TIMOUT` is no setting: did you mean `CLUSTER_CALL_TIMEOUT`?");
    let mut config = Config::default();
    let half_wrong = variables(&[("CLUSTER_IDLE", "1s"), ("CLUSTER_MAILBOX", "many")]);
    config.set_from(half_wrong).unwrap_err();
    assert_eq!(config.idle, Duration::from_secs(60), "nothing was taken over");
}

/// Says that this process is the one that an outer test has started.
const INNER: &str = "CLUSTER_WATCH_TEST_INNER";

fn rerun(test: &str, given: &[(&str, &str)]) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(INNER, "yes");
    let output = command.envs(given.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

// Code wins over the environment, which is read without being asked for; unless it is given the
// last word. In a process of its own, since others read the same environment.
// proves: B61
#[tokio::test]
async fn the_environment_counts_and_code_wins() {
    if std::env::var_os(INNER).is_none() {
        let small = [("CLUSTER_PAYLOAD_BYTES_MAX", "1KiB"), ("CLUSTER_INLINE_DEPTH", "3")];
        rerun("settings::the_environment_counts_and_code_wins", &small);
        return;
    }
    let limit = async |builder: cluster::ClusterBuilder| {
        let mut depth = 0;
        let builder = builder.config(|config| depth = config.payload_bytes_max);
        builder.start().await.unwrap().shutdown().await.unwrap();
        depth
    };
    let set = |config: &mut Config| config.payload_bytes_max = 2 << 10;
    assert_eq!(limit(Cluster::builder()).await, 1 << 10);
    assert_eq!(limit(Cluster::builder().config(set)).await, 2 << 10);
    assert_eq!(limit(Cluster::builder().config(set).config_from_env()).await, 1 << 10);
    assert_eq!(limit(Cluster::builder_without_env().config(set)).await, 2 << 10);
    assert_eq!(limit(Cluster::builder_without_env()).await, 4 << 20);
}

// proves: B61
#[tokio::test]
async fn a_bad_variable_ends_the_start() {
    if std::env::var_os(INNER).is_none() {
        rerun("settings::a_bad_variable_ends_the_start", &[("CLUSTER_ATTEMPTS", "0")]);
        return;
    }
    // Also where code has set it: whoever set the variable is told.
    let started = Cluster::builder().config(|config| config.attempts = 1).start().await;
    let text = format!("{:?}", started.unwrap_err());
    assert_eq!(text, "the setting `attempts` (from `CLUSTER_ATTEMPTS`) must not be zero");
    Cluster::builder_without_env().start().await.unwrap();
}

// proves: B61
#[tokio::test]
async fn limits_of_texts_can_be_lowered() {
    let builder = Cluster::builder_without_env().entity::<Echo>().config(|config| {
        config.entity_id_bytes_max = 4;
        config.headers_bytes_max = 6;
    });
    let cluster = builder.start().await.unwrap();
    let echo = |id: &str| cluster.get::<Echo>(id).echo("x".to_owned());
    echo("four").header("ab", "cdef").await.unwrap();
    for (call, name, bounds) in [
        (echo("five!"), "entity_id_bytes_max", (4, 5)),
        (echo("four").header("abc", "cdef"), "headers_bytes_max", (6, 7)),
    ] {
        let error = call.await.unwrap_err();
        let ClusterError::LimitExceeded { limit, max, actual, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!((limit, (max, actual)), (name, bounds));
    }
}

/// A line of the table for each setting.
fn table() -> String {
    let line = |setting: &Setting| {
        let (name, variable) = (setting.name(), setting.variable());
        format!("| `{name}` | `{variable}` | `{}` | {} |\n", setting.default(), setting.about())
    };
    Config::settings().iter().map(line).collect()
}

#[test]
fn the_table_of_settings_is_complete() {
    let page = include_str!("../../docs/settings.md");
    let (_, rest) = page.split_once("|---|---|---|---|\n").unwrap();
    let end = rest.find("\n\n").map_or(rest.len(), |end| end + 1);
    assert_eq!(&rest[..end], table(), "docs/settings.md differs from the list of settings");
    let names: BTreeSet<_> = Config::settings().iter().map(Setting::name).collect();
    assert_eq!(names.len(), Config::settings().len());
    let config = Config::default();
    for setting in Config::settings() {
        assert_eq!(setting.show(&config), setting.default());
    }
    assert_eq!(setting("call_timeout").default(), "30s");
}
