//! Every statement as it is sent, recorded for each dialect: a change of one is seen in review.
//! `RECORD=1 cargo test -p cluster-sql --test texts` records anew.
#![allow(clippy::unwrap_used)] // Helpers of tests fail as tests do.

use std::fmt::Write;
use std::path::Path;

fn check(dialect: &str, statements: Vec<(String, String)>) {
    let mut texts = String::new();
    for (name, text) in statements {
        writeln!(texts, "-- {name}\n{};\n", wrapped(&text)).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/texts/{dialect}.sql"));
    if std::env::var_os("RECORD").is_some() {
        return std::fs::write(path, texts).unwrap();
    }
    let recorded = std::fs::read_to_string(path).unwrap();
    let mut lines = texts.lines().zip(recorded.lines());
    let differs = lines.find(|(now, recorded)| now != recorded);
    assert_eq!(differs, None, "a statement of {dialect} is not as it was recorded");
    assert_eq!(texts.len(), recorded.len(), "{dialect} has more or fewer statements");
}

/// Lines of at most 100 columns.
fn wrapped(text: &str) -> String {
    let (mut wrapped, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        if column > 0 && column + 1 + word.len() > 99 {
            wrapped.push('\n');
            column = 0;
        } else if column > 0 {
            wrapped.push(' ');
            column += 1;
        }
        wrapped.push_str(word);
        column += word.len();
    }
    wrapped
}

#[cfg(feature = "sqlite")]
#[test]
fn of_sqlite() {
    let statements = cluster_sql::Sqlite::statements("p_").into_iter();
    check("sqlite", statements.map(|(name, text)| (name.to_owned(), text)).collect());
}

#[cfg(feature = "postgres")]
#[test]
fn of_postgres() {
    check("postgres", cluster_sql::Postgres::statements("p_"));
}

#[cfg(feature = "mysql")]
#[test]
fn of_mysql() {
    check("mysql", cluster_sql::MySql::statements("p_"));
}
