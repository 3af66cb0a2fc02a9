//! Everything that is logged, by whomever, is looked at: no password stands there.

use std::fmt::Debug;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// What must never be logged.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// What was.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Reads what is logged at any level.
struct Reader;

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{field}: {value:?}");
        if SECRETS.lock().unwrap().iter().any(|secret| text.contains(&**secret)) {
            TOLD.lock().unwrap().push(text);
        }
    }
}

impl Subscriber for Reader {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Reader);
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Reader);
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Reader);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// From now on that must not be logged.
pub(crate) fn watch_for(secret: &str) {
    static READING: Once = Once::new();
    READING.call_once(|| {
        tracing::subscriber::set_global_default(Reader).expect("nobody else listens");
    });
    SECRETS.lock().unwrap().push(secret.to_owned());
}

/// # Panics
/// If it was.
pub(crate) fn told_nothing() {
    let told = TOLD.lock().unwrap();
    assert!(told.is_empty(), "a password was logged: {told:?}");
}
